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
#include "common/model/signing_key.h"

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

// Takes the next item of a list with blanks between its items. False: there is none.
static bool next_item(struct str *list, struct str *item)
{
    const char *blank =
        list->n_bytes > 0 ? memchr(list->at, ' ', list->n_bytes) : NULL;

    *item = *list;
    if (blank != NULL)
        item->n_bytes = (size_t)(blank - list->at);
    list->at += item->n_bytes + (blank != NULL);
    list->n_bytes -= item->n_bytes + (blank != NULL);
    return item->n_bytes > 0;
}

// Whether a list like "v1,BASE64 v1,BASE64" has the wanted signature.
static bool is_listed(struct str list, struct str wanted)
{
    struct str item;

    while (next_item(&list, &item)) {
        if (crypto_eq(item, wanted))
            return true;
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

// Whether a list like "v1,BASE64 v1a,BASE64" has a signature of the public key's owner.
static bool is_public_right(const uint8_t *public_key,
                            const struct signed_request *r)
{
    static const struct str prefix = { "v1a,", 4 };
    struct str list = r->standard, item;
    struct buf message, signature;
    bool is_right = false;

    buf_init(&message, 0);
    buf_init(&signature, 0);
    buf_printf(&message, "%.*s.%.*s.", STR_ARG(r->id), STR_ARG(r->timestamp));
    buf_put_str(&message, r->body);
    while (!is_right && next_item(&list, &item)) {
        if (!str_starts(item, prefix))
            continue;
        item.at += prefix.n_bytes;
        item.n_bytes -= prefix.n_bytes;
        buf_reset(&signature);
        is_right = crypto_base64_decode(item, &signature) == OK &&
                   signature.n_bytes == ED25519_SIGNATURE_BYTES &&
                   ed25519_verify(public_key, buf_str(&message),
                                  (const uint8_t *)signature.at);
    }
    buf_clear(&signature);
    buf_clear(&message);
    return is_right;
}

// Whether the standard signature is correct for the key that the secret stands for:
// base64 after "whsec_", or a public key after "whpk_".
static bool is_standard_right_by(struct str secret,
                                 const struct signed_request *r)
{
    uint8_t public_key[ED25519_PUBLIC_BYTES];
    static const struct str prefix = { "whsec_", 6 };
    struct str rest = { secret.at + prefix.n_bytes,
                        secret.n_bytes - prefix.n_bytes };
    struct buf key;
    bool is_right;

    if (signing_public_read(secret, public_key) == OK)
        return is_public_right(public_key, r);
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

// The header of Pulumi's is no signature of a public key's.
static bool is_public_key(struct str secret)
{
    uint8_t public_key[ED25519_PUBLIC_BYTES];

    return signing_public_read(secret, public_key) == OK;
}

enum signature signature_check(struct str secret,
                               const struct signed_request *request)
{
    const struct signed_request *r = request;

    if (r->pulumi.n_bytes == 0 && r->standard.n_bytes == 0)
        return SIGNATURE_ABSENT;
    if (secret.n_bytes == 0)
        return SIGNATURE_INVALID;
    if (r->pulumi.n_bytes > 0 && !is_public_key(secret) &&
        !is_pulumi_right(secret, r))
        return SIGNATURE_INVALID;
    if (r->standard.n_bytes > 0 && !is_standard_right_by(secret, r))
        return SIGNATURE_INVALID;
    return SIGNATURE_VALID;
}
