// SPDX-License-Identifier: MIT
// signature.c — the two signatures of a delivery.

#include "engine/delivery/signature.h"

#include <stdio.h>

#include "common/encoding/crypto.h"

void sign_pulumi(struct str secret, struct str body, struct buf *out)
{
    uint8_t mac[SHA256_BYTES];

    crypto_hmac_sha256(secret, &body, 1, mac);
    crypto_put_hex(out, mac, sizeof(mac));
}

static void sign_with(struct str key, const struct str *parts, size_t n_parts,
                      struct buf *out)
{
    uint8_t mac[SHA256_BYTES];

    crypto_hmac_sha256(key, parts, n_parts, mac);
    buf_puts(out, "v1,");
    crypto_put_base64(out, mac, sizeof(mac));
}

void sign_standard(struct str secret, struct str id, int64_t timestamp_s,
                   struct str body, struct buf *out)
{
    static const struct str prefix = { "whsec_", 6 };
    char timestamp[32];
    struct str parts[] = { id, STR("."), STR_EMPTY, STR("."), body };
    struct str key = secret;
    struct buf decoded;

    snprintf(timestamp, sizeof(timestamp), "%lld", (long long)timestamp_s);
    parts[2] = str_of(timestamp);
    buf_init(&decoded, 0);
    if (str_starts(secret, prefix)) {
        struct str rest = { secret.at + prefix.n_bytes,
                            secret.n_bytes - prefix.n_bytes };

        if (crypto_base64_decode(rest, &decoded) == OK)
            key = buf_str(&decoded);
    }
    sign_with(key, parts, sizeof(parts) / sizeof(parts[0]), out);
    crypto_wipe_buf(&decoded);
}
