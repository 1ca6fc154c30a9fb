// SPDX-License-Identifier: MIT
// signing_key.c — keys that sign requests as v1a: their forms, and how one follows
// another.

#include "common/model/signing_key.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/encoding/crypto.h"

static const struct str secret_prefix = { "whsk_", 5 };
static const struct str public_prefix = { "whpk_", 5 };

static struct str pair_of(const uint8_t pair[SIGNING_PAIR_BYTES])
{
    return (struct str){ (const char *)pair, SIGNING_PAIR_BYTES };
}

static const char *public_of(struct str pair)
{
    return pair.at + ED25519_SEED_BYTES;
}

void signing_pair_make(uint8_t out[SIGNING_PAIR_BYTES])
{
    crypto_random(out, ED25519_SEED_BYTES);
    ed25519_public(out, out + ED25519_SEED_BYTES);
}

// --- reading ---

bool signing_pair_is_text(struct str text)
{
    return str_starts(text, secret_prefix);
}

// Decodes the base64 that follows a prefix, in the one form that all libraries read the
// same.
static enum err decode(struct str text, struct str prefix, struct buf *out)
{
    struct str rest = { text.at + prefix.n_bytes,
                        text.n_bytes - prefix.n_bytes };
    struct buf again;
    bool is_same;

    if (!str_starts(text, prefix) || crypto_base64_decode(rest, out) != OK)
        return ERR_INVALID;
    buf_init(&again, 0);
    crypto_put_base64(&again, out->at, out->n_bytes);
    is_same = str_eq(buf_str(&again), rest);
    crypto_wipe_buf(&again);
    return is_same ? OK : ERR_INVALID;
}

static enum err read_pair(struct str bytes, uint8_t out[SIGNING_PAIR_BYTES],
                          const char **why)
{
    if (bytes.n_bytes != ED25519_SEED_BYTES &&
        bytes.n_bytes != SIGNING_PAIR_BYTES) {
        *why = "after whsk_ a key is standard base64 of 64 bytes, the private "
               "and the public key, or of the 32 bytes of the private key";
        return ERR_INVALID;
    }
    memcpy(out, bytes.at, ED25519_SEED_BYTES);
    ed25519_public(out, out + ED25519_SEED_BYTES);
    if (bytes.n_bytes == SIGNING_PAIR_BYTES &&
        !crypto_eq(bytes, pair_of(out))) {
        *why = "the public key in it is not that of its private key";
        return ERR_INVALID;
    }
    return OK;
}

enum err signing_pair_read(struct str text, uint8_t out[SIGNING_PAIR_BYTES],
                           const char **why)
{
    struct buf bytes;
    enum err err;

    buf_init(&bytes, 0);
    err = decode(text, secret_prefix, &bytes);
    *why = "what follows whsk_ is not standard base64 (A-Z a-z 0-9 + /, padded "
           "with =)";
    if (err == OK)
        err = read_pair(buf_str(&bytes), out, why);
    crypto_wipe_buf(&bytes);
    if (err != OK)
        crypto_wipe(out, SIGNING_PAIR_BYTES);
    return err;
}

enum err signing_public_read(struct str text, uint8_t out[ED25519_PUBLIC_BYTES])
{
    struct buf bytes;
    enum err err;

    buf_init(&bytes, 0);
    err = decode(text, public_prefix, &bytes);
    if (err == OK && bytes.n_bytes != ED25519_PUBLIC_BYTES)
        err = ERR_INVALID;
    if (err == OK)
        memcpy(out, bytes.at, ED25519_PUBLIC_BYTES);
    buf_clear(&bytes);
    return err;
}

// --- writing ---

void signing_pair_put_secret(struct str pair, struct buf *out)
{
    buf_put_str(out, secret_prefix);
    crypto_put_base64(out, pair.at, pair.n_bytes);
}

void signing_pair_put_public(struct str pair, struct buf *out)
{
    buf_put_str(out, public_prefix);
    crypto_put_base64(out, public_of(pair), ED25519_PUBLIC_BYTES);
}

// Appends base64url without padding (RFC 4648, 5) of 32 bytes.
static void put_url_safe(struct buf *out, const void *bytes)
{
    struct buf text;

    buf_init(&text, 0);
    crypto_put_base64(&text, bytes, 32);
    for (size_t i = 0; i < text.n_bytes && text.at[i] != '='; i++) {
        char c = text.at[i];

        if (c == '+') {
            c = '-';
        } else if (c == '/') {
            c = '_';
        }
        buf_putc(out, c);
    }
    buf_clear(&text);
}

void signing_pair_put_id(struct str pair, struct buf *out)
{
    uint8_t hash[SHA256_BYTES];
    struct buf jwk;

    buf_init(&jwk, 0);
    buf_puts(&jwk, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
    put_url_safe(&jwk, public_of(pair));
    buf_puts(&jwk, "\"}");
    crypto_sha256(buf_str(&jwk), hash);
    put_url_safe(out, hash);
    buf_clear(&jwk);
}

void signing_pair_put_jwk(struct str pair, struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_text(w, "kty", "OKP");
    json_put_text(w, "crv", "Ed25519");
    json_put_text(w, "use", "sig");
    json_put_text(w, "alg", "EdDSA");
    signing_pair_put_id(pair, json_open_text(w, "kid"));
    json_close_text(w);
    put_url_safe(json_open_text(w, "x"), public_of(pair));
    json_close_text(w);
    json_close(w);
}

// --- the keys of an organization ---

static const struct member members[] = {
    MEMBER(struct signing_key, created_at_ms),
    MEMBER(struct signing_key, until_ms),
};

void signing_keys_pack(const struct signing_keys *keys, struct buf *out)
{
    pack_u64(out, keys->dialect);
    pack_str(out, keys->org);
    pack_array(out, (uint32_t)keys->n);
    for (size_t i = 0; i < keys->n; i++) {
        pack_str(out, pair_of(keys->at[i].pair));
        members_pack(out, MEMBERS(members), &keys->at[i]);
    }
}

enum err signing_keys_unpack(struct str bytes, struct signing_keys *out)
{
    struct unpack u = unpack_of(bytes);
    uint64_t dialect = unpack_u64(&u);
    enum err err;

    if (dialect != DIALECT_PULUMI && dialect != DIALECT_AKINON)
        u.bad = true;
    out->dialect = (enum dialect)dialect;
    out->org = unpack_str(&u);
    out->n = unpack_array(&u, SIGNING_KEYS_MAX);
    for (size_t i = 0; i < out->n && !u.bad; i++) {
        struct str pair = unpack_str(&u);

        if (pair.n_bytes != SIGNING_PAIR_BYTES) {
            u.bad = true;
        } else {
            memcpy(out->at[i].pair, pair.at, SIGNING_PAIR_BYTES);
            members_unpack(&u, MEMBERS(members), 1, &out->at[i]);
        }
    }
    err = unpack_done(&u);
    if (err != OK)
        out->n = 0;
    return err;
}

bool signing_keys_expire(struct signing_keys *keys, int64_t now_ms)
{
    size_t n = 0;
    bool has_expired;

    for (size_t i = 0; i < keys->n; i++) {
        if (keys->at[i].until_ms == 0 || keys->at[i].until_ms > now_ms)
            keys->at[n++] = keys->at[i];
    }
    has_expired = n < keys->n;
    crypto_wipe(keys->at + n, (keys->n - n) * sizeof(keys->at[0]));
    keys->n = n;
    return has_expired;
}

enum err signing_keys_add(struct signing_keys *keys,
                          const struct signing_key *key, int64_t until_ms)
{
    size_t n = 1;
    struct signing_keys next = { keys->dialect, keys->org, { *key }, 1 };

    signing_keys_expire(keys, key->created_at_ms);
    if (keys->n > 0 && crypto_eq(pair_of(keys->at[0].pair), pair_of(key->pair)))
        return ERR_EXISTS;
    for (size_t i = 0; i < keys->n; i++) {
        int64_t until = i == 0 ? until_ms : keys->at[i].until_ms;

        if (until <= key->created_at_ms ||
            crypto_eq(pair_of(keys->at[i].pair), pair_of(key->pair)))
            continue;
        if (n == SIGNING_KEYS_MAX)
            return ERR_FULL;
        next.at[n] = keys->at[i];
        next.at[n++].until_ms = until;
    }
    next.n = n;
    *keys = next;
    crypto_wipe(&next, sizeof(next));
    return OK;
}
