// SPDX-License-Identifier: MIT
// signature_check.c — a receiver's side of the signatures.
//
// Written independently of the sender's side, so that one checks the other.

#include "api/cli/receiver/signature_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/encoding/crypto.h"

const char *signature_name(enum signature signature)
{
    switch (signature) {
    case SIGNATURE_ABSENT:
        return "absent";
    case SIGNATURE_VALID:
        return "valid";
    case SIGNATURE_INVALID:
        return "invalid";
    }
    return "invalid";
}

static bool is_pulumi_right(struct str secret, const struct signed_request *r)
{
    uint8_t mac[SHA256_BYTES];
    struct buf hex;
    bool is_right;

    crypto_hmac_sha256(secret, &r->body, 1, mac);
    buf_init(&hex, 0);
    crypto_put_hex(&hex, mac, sizeof(mac));
    is_right = crypto_eq(buf_str(&hex), r->pulumi);
    buf_clear(&hex);
    return is_right;
}

// Whether a list like "v1,BASE64 v1,BASE64" has the wanted signature.
static bool is_listed(struct str list, struct str wanted)
{
    while (list.n_bytes > 0) {
        const char *blank = memchr(list.at, ' ', list.n_bytes);
        struct str item = list;

        if (blank != NULL)
            item.n_bytes = (size_t)(blank - list.at);
        if (crypto_eq(item, wanted))
            return true;
        list.at += item.n_bytes + (blank != NULL);
        list.n_bytes -= item.n_bytes + (blank != NULL);
    }
    return false;
}

static bool is_standard_right(struct str key, const struct signed_request *r)
{
    struct str parts[] = { r->id, STR("."), r->timestamp, STR("."), r->body };
    uint8_t mac[SHA256_BYTES];
    struct buf wanted;
    bool is_right;

    crypto_hmac_sha256(key, parts, sizeof(parts) / sizeof(parts[0]), mac);
    buf_init(&wanted, 0);
    buf_puts(&wanted, "v1,");
    crypto_put_base64(&wanted, mac, sizeof(mac));
    is_right = is_listed(r->standard, buf_str(&wanted));
    buf_clear(&wanted);
    return is_right;
}

// Whether the standard signature is correct for the key that the secret stands for:
// base64 after "whsec_".
static bool is_standard_right_by(struct str secret,
                                 const struct signed_request *r)
{
    static const struct str prefix = { "whsec_", 6 };
    struct str rest = { secret.at + prefix.n_bytes,
                        secret.n_bytes - prefix.n_bytes };
    struct buf key;
    bool is_right;

    if (!str_starts(secret, prefix))
        return is_standard_right(secret, r);
    buf_init(&key, 0);
    if (crypto_base64_decode(rest, &key) == OK) {
        is_right = is_standard_right(buf_str(&key), r);
    } else {
        is_right = is_standard_right(secret, r);
    }
    buf_clear(&key);
    return is_right;
}

enum signature signature_check(struct str secret,
                               const struct signed_request *request)
{
    const struct signed_request *r = request;

    if (r->pulumi.n_bytes == 0 && r->standard.n_bytes == 0)
        return SIGNATURE_ABSENT;
    if (secret.n_bytes == 0)
        return SIGNATURE_INVALID;
    if (r->pulumi.n_bytes > 0 && !is_pulumi_right(secret, r))
        return SIGNATURE_INVALID;
    if (r->standard.n_bytes > 0 && !is_standard_right_by(secret, r))
        return SIGNATURE_INVALID;
    return SIGNATURE_VALID;
}
