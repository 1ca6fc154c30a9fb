// SPDX-License-Identifier: MIT
// signature_check.h — a receiver's side of the signatures.

#ifndef API_CLI_RECEIVER_SIGNATURE_CHECK_H
#define API_CLI_RECEIVER_SIGNATURE_CHECK_H

#include "common/base/str.h"

enum signature { SIGNATURE_ABSENT, SIGNATURE_VALID, SIGNATURE_INVALID };

// The signature headers of a request; empty: the header is absent.
struct signed_request {
    struct str pulumi;    // Pulumi-Webhook-Signature
    struct str id;        // webhook-id
    struct str timestamp; // webhook-timestamp
    struct str standard;  // webhook-signature
    struct str body;
};

// Valid: at least one of the two signatures is present, and all present ones are
// correct. With an empty secret no signature is correct. With a public key ("whpk_") as the
// secret, a v1a signature must be correct, and Pulumi's header is not looked at.
enum signature signature_check(struct str secret,
                               const struct signed_request *request);

const char *signature_name(enum signature signature); // "valid"

#endif
