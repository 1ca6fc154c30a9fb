// SPDX-License-Identifier: MIT
// signature.h — the two signatures of a delivery.

#ifndef ENGINE_DELIVERY_SIGNATURE_H
#define ENGINE_DELIVERY_SIGNATURE_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"

// Appends lower-case hex of HMAC-SHA256(secret, body): the value of
// Pulumi-Webhook-Signature (Pulumi's webhooks page, "Headers").
void sign_pulumi(struct str secret, struct str body, struct buf *out);

// Appends "v1," and base64 of HMAC-SHA256(key, "id.timestamp.body"): the value
// of webhook-signature (Standard Webhooks 1.0.0). If the secret is "whsec_" and valid
// base64, the key is what the base64 decodes to; else it is the secret's bytes.
// `timestamp_s` is a UTC epoch in seconds, the value of webhook-timestamp.
void sign_standard(struct str secret, struct str id, int64_t timestamp_s,
                   struct str body, struct buf *out);

#endif
