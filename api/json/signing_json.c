// SPDX-License-Identifier: MIT
// signing_json.c — what signs a hook's requests as v1a, as JSON: read, checked, printed.

#include "api/json/signing_json.h"

#include "api/json/secret_json.h"
#include "common/base/clock.h"
#include "common/encoding/crypto.h"
#include "common/model/signing_key.h"

// What a body asks for.
struct wanted {
    enum hook_signing signing;
    struct str key; // SIGNING_OWN
};

// --- reading ---

static struct str keep_pair(const struct validation *validation,
                            uint8_t pair[SIGNING_PAIR_BYTES])
{
    struct str kept =
        arena_copy(validation->arena,
                   (struct str){ (const char *)pair, SIGNING_PAIR_BYTES });

    crypto_wipe(pair, SIGNING_PAIR_BYTES);
    return kept;
}

static enum err read_key(const struct validation *validation, struct str text,
                         struct wanted *out)
{
    uint8_t pair[SIGNING_PAIR_BYTES];
    const char *why;

    if (signing_pair_read(text, pair, &why) != OK) {
        buf_printf(validation->why, "signingKey: %s", why);
        return ERR_INVALID;
    }
    out->signing = SIGNING_OWN;
    out->key = keep_pair(validation, pair);
    return OK;
}

static void make_key(const struct validation *validation, struct wanted *out)
{
    uint8_t pair[SIGNING_PAIR_BYTES];

    signing_pair_make(pair);
    out->signing = SIGNING_OWN;
    out->key = keep_pair(validation, pair);
}

static enum err read_wanted(const struct validation *validation,
                            const struct json_value *body,
                            const struct hook *hook, struct wanted *out)
{
    const struct json_value *v = json_get(body, "signingKey");
    struct str text;

    *out = (struct wanted){ hook->signing, hook->sign_key };
    if (v == NULL)
        return OK;
    validation_at(validation, "signingKey");
    text = json_str(v);
    if (json_is(v, JSON_NULL) || str_is(text, "none")) {
        *out = (struct wanted){ SIGNING_NONE, STR_EMPTY };
    } else if (signing_pair_is_text(text)) {
        return read_key(validation, text, out);
    } else if (str_is(text, "organization")) {
        *out = (struct wanted){ SIGNING_ORGANIZATION, STR_EMPTY };
    } else if (str_is(text, "new") ||
               (str_is(text, "own") && hook->signing != SIGNING_OWN)) {
        make_key(validation, out);
    } else if (!str_is(text, "own")) {
        return validation_refuse(validation,
                                 "signingKey must be \"none\", \"own\", "
                                 "\"new\", \"organization\", or a private key "
                                 "that begins with whsk_");
    }
    return OK;
}

static struct old_secret as_old(enum hook_signing signing, struct str key)
{
    return (struct old_secret){ .secret = key,
                                .kind = signing == SIGNING_OWN
                                            ? OLD_SIGNING_KEY
                                            : OLD_ORGANIZATION };
}

static enum err change(const struct validation *validation,
                       const struct wanted *wanted, struct hook *hook)
{
    const struct old_secret replaced = as_old(hook->signing, hook->sign_key);
    const struct old_secret now = as_old(wanted->signing, wanted->key);
    enum err err = OK;

    if (wanted->signing == hook->signing && str_eq(wanted->key, hook->sign_key))
        return OK;
    if (wanted->signing == SIGNING_NONE) {
        secret_drop_old(validation, true, hook);
    } else {
        err = secret_replace(validation, "signingKey",
                             hook->signing != SIGNING_NONE ? &replaced : NULL,
                             &now, hook);
    }
    if (err != OK)
        return err;
    hook->signing = wanted->signing;
    hook->sign_key = wanted->key;
    return OK;
}

enum err signing_merge(const struct validation *validation,
                       const struct json_value *body, struct hook *hook)
{
    struct wanted wanted;
    bool ends = false;
    enum err err = member_bool(validation, body, "endSecretOverlap", &ends);

    if (err == OK)
        err = read_wanted(validation, body, hook, &wanted);
    if (err == OK && ends)
        secret_drop_old(validation, true, hook);
    if (err == OK)
        err = change(validation, &wanted, hook);
    if (err == OK && ends)
        secret_drop_old(validation, true, hook); // including what was replaced
    return err;
}

// --- printing ---

static void print_overlap(const struct hook *hook, struct json_writer *w)
{
    int64_t until_ms;
    size_t n = hook_count_old(hook, true, &until_ms);

    if (n == 0)
        return;
    json_open_object(w, "signingKeyOverlap");
    json_put_u64(w, "keys", n + 1);
    clock_put_rfc3339(json_open_text(w, "until"), until_ms);
    json_close_text(w);
    json_close(w);
}

void signing_print(const struct hook_showing *to, const struct hook *hook,
                   struct json_writer *w)
{
    if (hook->signing == SIGNING_NONE)
        return;
    if (hook->sign_key.n_bytes == 0 || !to->has_keys) {
        json_put_text(w, "signingKey", hook_signing_name(hook->signing));
    } else {
        signing_pair_put_secret(hook->sign_key,
                                json_open_text(w, "signingKey"));
        json_close_text(w);
    }
    if (hook->sign_key.n_bytes > 0) {
        signing_pair_put_public(hook->sign_key, json_open_text(w, "publicKey"));
        json_close_text(w);
    }
    print_overlap(hook, w);
}
