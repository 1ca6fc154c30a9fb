// SPDX-License-Identifier: MIT
// signature_check.h — a receiver's side of the signatures.

#ifndef API_CLI_RECEIVER_SIGNATURE_CHECK_H
#define API_CLI_RECEIVER_SIGNATURE_CHECK_H

#include "common/base/str.h"

enum signature { SIGNATURE_ABSENT, SIGNATURE_VALID, SIGNATURE_INVALID };

// What came with a request; empty: the header is absent.
struct signed_request {
    struct str pulumi;    // Pulumi-Webhook-Signature
    struct str id;        // webhook-id
    struct str timestamp; // webhook-timestamp
    struct str standard;  // webhook-signature
    struct str body;
};

// Valid: at least one of the two signatures is there, and what is there is
// right. An empty secret makes none right.
enum signature signature_judge(struct str secret,
                               const struct signed_request *request);

const char *signature_name(enum signature signature); // "valid"

#endif
