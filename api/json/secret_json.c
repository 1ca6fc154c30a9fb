// SPDX-License-Identifier: MIT
// secret_json.c — a hook's secret as JSON: read, checked, replaced.

#include "api/json/secret_json.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/encoding/crypto.h"

// Size of the decoded key that follows "whsec_" (Standard Webhooks 1.0.0).
#define KEY_MIN_BYTES 24
#define KEY_MAX_BYTES 64

// Decodes standard base64 that every library reads the same: with padding and without
// other characters. The decoded bytes must encode to the same text, since some
// libraries skip blanks or ignore left-over bits, and others refuse both.
static bool decode(struct str text, struct buf *key)
{
    struct buf again;
    bool is_same;

    if (crypto_base64_decode(text, key) != OK)
        return false;
    buf_init(&again, 0);
    crypto_put_base64(&again, key->at, key->n_bytes);
    is_same = str_eq(buf_str(&again), text);
    crypto_wipe_buf(&again);
    return is_same;
}

static bool is_url_safe(struct str text)
{
    return memchr(text.at, '-', text.n_bytes) != NULL ||
           memchr(text.at, '_', text.n_bytes) != NULL;
}

#define ALLOWED                                                            \
    "; after whsec_ a secret is standard base64 (A-Z a-z 0-9 + /, padded " \
    "with =) of 24 to 64 bytes"

static enum err check_key(const struct validation *validation, struct str text,
                          struct buf *key)
{
    if (text.n_bytes == 0) {
        return validation_refuse(validation,
                                 "secret: nothing follows whsec_" ALLOWED);
    }
    if (is_url_safe(text)) {
        return validation_refuse(validation,
                                 "secret: - and _ are of the url-safe "
                                 "base64" ALLOWED);
    }
    if (text.n_bytes % 4 != 0 && memchr(text.at, '=', text.n_bytes) == NULL) {
        return validation_refuse(validation,
                                 "secret: its base64 lacks the padding, or "
                                 "is cut off" ALLOWED);
    }
    if (!decode(text, key)) {
        return validation_refuse(
            validation, "secret: what follows whsec_ is not base64" ALLOWED);
    }
    if (key->n_bytes < KEY_MIN_BYTES || key->n_bytes > KEY_MAX_BYTES) {
        buf_printf(validation->why, "secret: its key is of %zu bytes" ALLOWED,
                   key->n_bytes);
        return ERR_INVALID;
    }
    return OK;
}

static enum err check_secret(const struct validation *validation,
                             struct str secret)
{
    static const struct str prefix = { "whsec_", 6 };
    struct buf key;
    enum err err;

    if (secret.n_bytes > SECRET_MAX_BYTES) {
        return validation_refuse(validation,
                                 "secret must be at most 1024 bytes");
    }
    if (secret.n_bytes > 0 && memchr(secret.at, '\0', secret.n_bytes) != NULL)
        return validation_refuse(validation, "secret must not hold a NUL");
    if (!str_starts(secret, prefix))
        return OK;
    buf_init(&key, 0);
    err = check_key(validation,
                    (struct str){ secret.at + prefix.n_bytes,
                                  secret.n_bytes - prefix.n_bytes },
                    &key);
    crypto_wipe_buf(&key);
    return err;
}

enum err secret_read_new(const struct validation *validation,
                         const struct json_value *body, struct hook *hook)
{
    enum err err = member_text(validation, body, "secret", &hook->secret);

    if (err == OK && str_is(hook->secret, HOOK_REMOVE_SECRET)) {
        err = validation_refuse(validation,
                                "secret cannot be " HOOK_REMOVE_SECRET);
    }
    if (err == OK && hook->secret.n_bytes > 0)
        hook->secret_at_ms = validation->now_ms;
    return err == OK ? check_secret(validation, hook->secret) : err;
}

static bool are_one(const struct old_secret *a, const struct old_secret *b)
{
    return a->kind == b->kind && str_eq(a->secret, b->secret);
}

// The list of what was replaced and still signs has the newest first.
enum err secret_replace(const struct validation *validation, const char *member,
                        const struct old_secret *replaced,
                        const struct old_secret *now, struct hook *hook)
{
    struct old_secret *old =
        arena_take(validation->arena, OLD_SECRETS_MAX * sizeof(*old));
    size_t n = 0;

    if (replaced != NULL && validation->secret_overlap_ms > 0) {
        old[n] = *replaced;
        old[n++].until_ms = validation->now_ms + validation->secret_overlap_ms;
    }
    for (size_t i = 0; i < hook->n_old; i++) {
        if (hook->old[i].until_ms <= validation->now_ms ||
            are_one(&hook->old[i], now))
            continue;
        if (n == OLD_SECRETS_MAX) {
            buf_printf(validation->why,
                       "%s: %d secrets of this webhook sign already, which "
                       "is the most there may be; wait until the time of one "
                       "is over, or send endSecretOverlap: true",
                       member, OLD_SECRETS_MAX + 1);
            return ERR_FULL;
        }
        old[n++] = hook->old[i];
    }
    hook->old = old;
    hook->n_old = n;
    return OK;
}

void secret_drop_old(const struct validation *validation, bool are_keys,
                     struct hook *hook)
{
    struct old_secret *left =
        arena_take(validation->arena, OLD_SECRETS_MAX * sizeof(*left));
    size_t n = 0;

    for (size_t i = 0; i < hook->n_old; i++) {
        if ((hook->old[i].kind != OLD_SECRET) != are_keys)
            left[n++] = hook->old[i];
    }
    hook->old = left;
    hook->n_old = n;
}

static enum err replace(const struct validation *validation, struct str secret,
                        struct hook *hook)
{
    const struct old_secret replaced = { .secret = hook->secret };
    const struct old_secret now = { .secret = secret };
    enum err err =
        secret_replace(validation, "secret",
                       hook->secret.n_bytes > 0 ? &replaced : NULL, &now, hook);

    if (err != OK)
        return err;
    hook->secret = secret;
    hook->secret_at_ms = validation->now_ms;
    return OK;
}

static enum err merge(const struct validation *validation,
                      const struct json_value *body, struct hook *hook)
{
    struct str secret = STR_EMPTY;
    enum err err = member_text(validation, body, "secret", &secret);

    if (err != OK || secret.n_bytes == 0 || str_eq(secret, hook->secret))
        return err;
    if (str_is(secret, HOOK_REMOVE_SECRET)) {
        hook->secret = STR_EMPTY;
        hook->secret_at_ms = 0;
        secret_drop_old(validation, false, hook);
        return OK;
    }
    err = check_secret(validation, secret);
    return err == OK ? replace(validation, secret, hook) : err;
}

enum err secret_merge(const struct validation *validation,
                      const struct json_value *body, struct hook *hook)
{
    bool ends = false;
    enum err err = member_bool(validation, body, "endSecretOverlap", &ends);

    if (ends)
        hook->n_old = 0;
    if (err == OK)
        err = merge(validation, body, hook);
    if (ends)
        hook->n_old = 0; // including the secret that this body replaces
    return err;
}

// --- printing ---

// Appends a code of the secret and the hook's number: with the number, two hooks with
// the same secret have different codes.
static void put_ciphertext(const uint8_t *key, const struct hook *hook,
                           struct buf *out)
{
    const struct str k = { (const char *)key, HOOK_KEY_BYTES };
    uint8_t mac[SHA256_BYTES], no[8];
    struct str parts[] = { { (const char *)no, sizeof(no) }, hook->secret };

    put_be64(no, hook->no);
    crypto_hmac_sha256(k, parts, 2, mac);
    crypto_put_hex(out, mac, sizeof(mac));
}

static void put_overlap(const struct hook *hook, struct json_writer *w)
{
    int64_t until_ms;
    size_t n = hook_count_old(hook, false, &until_ms);

    if (n == 0)
        return;
    json_open_object(w, "secretOverlap");
    json_put_u64(w, "secrets", n + (hook->secret.n_bytes > 0));
    clock_put_rfc3339(json_open_text(w, "until"), until_ms);
    json_close_text(w);
    json_close(w);
}

void secret_print(const struct hook_showing *to, const struct hook *hook,
                  struct json_writer *w)
{
    bool has_secret = hook->secret.n_bytes > 0;
    struct buf *code;

    json_put_bool(w, "hasSecret", has_secret);
    code = json_open_text(w, "secretCiphertext");
    if (has_secret)
        put_ciphertext(to->ciphertext_key, hook, code);
    json_close_text(w);
    put_overlap(hook, w);
}
