// SPDX-License-Identifier: MIT
// signers.c — signs requests as v1a, with keys that are kept ready to sign.
//
// Libcrypto needs as long to read a private key as to sign with it. So the keys that were
// used last stay as libcrypto has them, each in the one place that its public key chooses:
// another key there takes its place.

#include "engine/delivery/signers.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/encoding/ed25519.h"
#include "common/log/log.h"
#include "common/model/signing_key.h"

#define READY_KEYS 256

struct ready {
    uint8_t pair[SIGNING_PAIR_BYTES];
    struct ed25519_key *key; // NULL: nothing is here
};

struct org_keys {
    uint64_t org_no;
    struct signing_keys keys;
};

struct org_list { // sorted by number
    struct org_keys *at;
    size_t n, room;
};

struct signers {
    struct ready ready[READY_KEYS];
    struct org_list orgs;
    uint64_t revision;  // of the values of organizations that was read
    struct buf message; // memory for the message that is signed
};

struct signers *signers_new(void)
{
    struct signers *s = xcalloc(1, sizeof(*s));

    buf_init(&s->message, 0);
    return s;
}

static void clear_list(struct org_list *list)
{
    if (list->at != NULL)
        crypto_wipe(list->at, list->room * sizeof(*list->at));
    free(list->at);
    *list = (struct org_list){ 0 };
}

void signers_free(struct signers *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < READY_KEYS; i++)
        ed25519_key_free(s->ready[i].key);
    crypto_wipe(s->ready, sizeof(s->ready));
    clear_list(&s->orgs);
    buf_clear(&s->message);
    free(s);
}

// --- the keys of organizations ---

static void add_room(struct org_list *list)
{
    struct org_list larger = { .n = list->n,
                               .room = list->room > 0 ? 2 * list->room : 16 };

    larger.at = xcalloc(larger.room, sizeof(*larger.at));
    if (list->n > 0)
        memcpy(larger.at, list->at, list->n * sizeof(*list->at));
    clear_list(list);
    *list = larger;
}

static bool take_value(void *data, const struct org_value *value)
{
    struct org_list *list = data;
    struct org_keys *keys;

    if (list->n == list->room)
        add_room(list);
    keys = &list->at[list->n];
    keys->org_no = value->org_no;
    if (value->is_open &&
        signing_keys_unpack(value->bytes, &keys->keys) == OK) {
        list->n++;
    } else {
        log_warn("the signing keys of an organization cannot be read",
                 "org_no=%llu", (unsigned long long)value->org_no);
    }
    return true;
}

enum err signers_read(struct signers *s, struct hook_store *hooks)
{
    struct org_list list = { 0 };
    uint64_t revision;
    enum err err = org_values_revision(hooks, &revision);

    if (err != OK || revision == s->revision)
        return err;
    err =
        org_value_each(hooks, ORG_SIGNING_KEY, 0, STR_EMPTY, take_value, &list);
    if (err != OK) {
        clear_list(&list);
        return err;
    }
    clear_list(&s->orgs);
    s->orgs = list;
    s->revision = revision;
    return OK;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *no = a;
    const struct org_keys *keys = b;

    if (*no == keys->org_no)
        return 0;
    return *no < keys->org_no ? -1 : 1;
}

static const struct signing_keys *keys_of_org(const struct signers *s,
                                              uint64_t org_no)
{
    const struct org_keys *found;

    if (s->orgs.n == 0)
        return NULL;
    found =
        bsearch(&org_no, s->orgs.at, s->orgs.n, sizeof(*s->orgs.at), compare);
    return found != NULL ? &found->keys : NULL;
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

    for (size_t i = 0; keys != NULL && i < keys->n; i++) {
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
