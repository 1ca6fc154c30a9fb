// SPDX-License-Identifier: MIT
// signers.c — signs requests as v1a, with keys that are kept ready to sign.
//
// Libcrypto needs as long to read a private key as to sign with it. So the keys that were
// used last stay as libcrypto has them, each in the one place that its public key chooses:
// another key there takes its place. So do the keys of organizations, which are read when
// they are needed.

#include "engine/delivery/signers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/encoding/ed25519.h"
#include "common/log/log.h"
#include "common/model/signing_key.h"

#define READY_KEYS 256
#define READY_ORGS 256
#define AGAIN_US   INT64_C(1000000)

struct ready {
    uint8_t pair[SIGNING_PAIR_BYTES];
    struct ed25519_key *key; // NULL: nothing is here
};

struct org_keys {
    uint64_t org_no;   // 0: nothing is here
    uint64_t revision; // of the signing keys of organizations, when it was read
    int64_t again_us;  // monotonic: when to read them again; 0: they were read
    struct signing_keys keys; // none: n is 0
};

struct signers {
    struct ready ready[READY_KEYS];
    struct org_keys orgs[READY_ORGS];
    struct hook_store *hooks;
    uint64_t revision; // of the signing keys of organizations, as was read last
    struct buf message; // memory for the message that is signed
};

struct signers *signers_new(struct hook_store *hooks)
{
    struct signers *s = xcalloc(1, sizeof(*s));

    s->hooks = hooks;
    buf_init(&s->message, 0);
    return s;
}

void signers_free(struct signers *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < READY_KEYS; i++)
        ed25519_key_free(s->ready[i].key);
    buf_clear(&s->message);
    crypto_wipe(s, sizeof(*s));
    free(s);
}

// --- the keys of organizations ---

enum err signers_refresh(struct signers *s)
{
    return org_values_revision(s->hooks, ORG_SIGNING_KEY, &s->revision);
}

static bool take_value(void *data, const struct org_value *value)
{
    struct org_keys *keys = data;

    if (!value->is_open ||
        signing_keys_unpack(value->bytes, &keys->keys) != OK) {
        log_warn("the signing keys of an organization cannot be read",
                 "org_no=%" PRIu64, value->org_no);
    }
    keys->keys.org = STR_EMPTY; // it was borrowed
    return false;
}

// The keys of an organization, read again if keys of any organization have changed, and a
// second after they could not be read.
static const struct signing_keys *keys_of_org(struct signers *s,
                                              uint64_t org_no)
{
    struct org_keys *keys = &s->orgs[org_no % READY_ORGS];
    enum err err;

    if (keys->org_no == org_no && keys->revision == s->revision &&
        (keys->again_us == 0 || clock_mono_us() < keys->again_us))
        return &keys->keys;
    crypto_wipe(keys, sizeof(*keys));
    keys->org_no = org_no;
    keys->revision = s->revision;
    err = org_value_get(s->hooks, ORG_SIGNING_KEY, org_no, STR_EMPTY,
                        take_value, keys);
    if (err != OK) {
        log_warn("the signing keys of an organization cannot be read",
                 "org_no=%" PRIu64 " reason=%s", org_no,
                 log_quote(str_of(err_str(err))));
    }
    if (keys->keys.n == 0)
        keys->again_us = clock_mono_us() + AGAIN_US;
    return &keys->keys;
}

bool signers_have_key(struct signers *s, const struct hook *hook)
{
    return hook->signing != SIGNING_ORGANIZATION ||
           keys_of_org(s, hook->org_id)->n > 0;
}

// --- signing ---

static const struct ed25519_key *ready_key(struct signers *s,
                                           const uint8_t *pair)
{
    // A byte of a public key is as good as random; the last one has a bit that is not.
    struct ready *ready = &s->ready[pair[SIGNING_PAIR_BYTES - 2]];

    if (ready->key != NULL &&
        memcmp(ready->pair, pair, SIGNING_PAIR_BYTES) == 0)
        return ready->key;
    ed25519_key_free(ready->key);
    ready->key = ed25519_key_new(pair);
    memcpy(ready->pair, pair, SIGNING_PAIR_BYTES);
    return ready->key;
}

struct signing {
    struct signers *s;
    size_t start;
    struct buf *out;
};

static void put(const struct signing *sg, const uint8_t *pair)
{
    uint8_t signature[ED25519_SIGNATURE_BYTES];

    ed25519_sign(ready_key(sg->s, pair), buf_str(&sg->s->message), signature);
    if (sg->out->n_bytes > sg->start)
        buf_putc(sg->out, ' ');
    buf_puts(sg->out, "v1a,");
    crypto_put_base64(sg->out, signature, sizeof(signature));
}

static void put_org(const struct signing *sg, uint64_t org_no, int64_t at_ms)
{
    const struct signing_keys *keys = keys_of_org(sg->s, org_no);

    for (size_t i = 0; i < keys->n; i++) {
        if (keys->at[i].until_ms == 0 || at_ms < keys->at[i].until_ms)
            put(sg, keys->at[i].pair);
    }
}

void signers_put(struct signers *s, const struct hook *hook, int64_t at_ms,
                 const struct signed_parts *parts, size_t start,
                 struct buf *out)
{
    const struct signing sg = { s, start, out };
    bool is_of_org = hook->signing == SIGNING_ORGANIZATION;

    buf_reset(&s->message);
    buf_put_str(&s->message, parts->id);
    buf_putc(&s->message, '.');
    buf_put_i64(&s->message, parts->timestamp_s);
    buf_putc(&s->message, '.');
    buf_put_str(&s->message, parts->body);
    if (hook->signing == SIGNING_OWN &&
        hook->sign_key.n_bytes == SIGNING_PAIR_BYTES)
        put(&sg, (const uint8_t *)hook->sign_key.at);
    if (is_of_org)
        put_org(&sg, hook->org_id, at_ms);
    for (size_t i = 0; i < hook->n_old; i++) {
        const struct old_secret *old = &hook->old[i];

        if (at_ms >= old->until_ms)
            continue;
        if (old->kind == OLD_SIGNING_KEY)
            put(&sg, (const uint8_t *)old->secret.at);
        if (old->kind == OLD_ORGANIZATION && !is_of_org) {
            put_org(&sg, hook->org_id, at_ms);
            is_of_org = true;
        }
    }
}
