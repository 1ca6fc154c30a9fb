// SPDX-License-Identifier: MIT
// signers.h — signs requests as v1a, with keys that are kept ready to sign.

#ifndef ENGINE_DELIVERY_SIGNERS_H
#define ENGINE_DELIVERY_SIGNERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "queue/queue.h"

struct signers;

// `hooks` has the keys of organizations, and must outlive the signers.
struct signers *signers_new(struct hook_store *hooks);
void signers_free(struct signers *s); // wipes; NULL is fine

// Looks whether values of organizations have changed: keys that are older are read again
// when they are needed.
MUST_CHECK enum err signers_refresh(struct signers *s);

// Whether there is a key to sign with: not if the hook signs with its organization's keys and
// these cannot be read. Nothing must be sent then, since receivers would get it unsigned.
bool signers_have_key(struct signers *s, const struct hook *hook);

// What is signed: "id.timestamp.body" (Standard Webhooks 1.0.0).
struct signed_parts {
    struct str id;
    int64_t timestamp_s; // UTC epoch
    struct str body;
};

// Appends the signatures, "v1a," and base64 each, with a blank before each that is not the
// first since `start` in `out`: of the hook's present key, or of its organization's keys,
// and of its replaced ones that still sign at `at_ms` (UTC epoch).
void signers_put(struct signers *s, const struct hook *hook, int64_t at_ms,
                 const struct signed_parts *parts, size_t start,
                 struct buf *out);

#endif
