// SPDX-License-Identifier: MIT
// login_table.c — who is logged in, or may log in: secrets, and what each allows.

#include "api/dashboard/login_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define BACK_MAX_MS (INT64_C(60) * 1000) // by which a clock may be corrected

void login_table_init(struct login_table *t, size_t max)
{
    *t = (struct login_table){ .max = max };
    t->entries = xcalloc(max, sizeof(*t->entries));
}

void login_table_clear(struct login_table *t)
{
    if (t->entries != NULL)
        crypto_wipe(t->entries, t->max * sizeof(*t->entries));
    free(t->entries);
    *t = (struct login_table){ .max = 0 };
}

static void forget(struct login_table *t, struct login_entry *e)
{
    t->is_changed = true;
    crypto_wipe(e, sizeof(*e));
}

static bool has_ended(const struct login_entry *e, int64_t now_ms)
{
    return now_ms >= e->login.ends_at_ms ||
           now_ms < e->made_at_ms - BACK_MAX_MS ||
           (e->login.idle_ms != 0 &&
            now_ms - e->used_at_ms >= e->login.idle_ms);
}

static bool is_of_same_org(const struct login *a, const struct login *b)
{
    return str_eq((struct str){ a->org, a->n_org_bytes },
                  (struct str){ b->org, b->n_org_bytes });
}

static bool is_of_same_token(const struct login *a, const struct login *b)
{
    return is_of_same_org(a, b) &&
           memcmp(a->token_hash, b->token_hash, SHA256_BYTES) == 0;
}

static size_t count(const struct login_table *t, const struct login *of,
                    bool (*is_same)(const struct login *, const struct login *))
{
    size_t n = 0;

    for (size_t i = 0; i < t->max; i++)
        n += t->entries[i].login.no != 0 && is_same(&t->entries[i].login, of);
    return n;
}

// The entry of a full table that makes room for `login`: of the organization that would
// have most, of its token that has most, the oldest one.
static struct login_entry *find_victim(const struct login_table *t,
                                       const struct login *login)
{
    struct login_entry *victim = NULL;
    size_t of_org_max = 0;
    size_t of_token_max = 0;

    for (size_t i = 0; i < t->max; i++) {
        struct login_entry *e = &t->entries[i];
        size_t of_org = count(t, &e->login, is_of_same_org) +
                        is_of_same_org(&e->login, login);
        size_t of_token = count(t, &e->login, is_of_same_token);

        if (of_org < of_org_max ||
            (of_org == of_org_max && of_token < of_token_max) ||
            (of_org == of_org_max && of_token == of_token_max &&
             victim != NULL && e->login.no > victim->login.no))
            continue;
        victim = e;
        of_org_max = of_org;
        of_token_max = of_token;
    }
    assert(victim != NULL);
    return victim;
}

static struct login_entry *find_free(struct login_table *t,
                                     const struct login *login, int64_t now_ms)
{
    struct login_entry *free_one = NULL;

    for (size_t i = 0; i < t->max; i++) {
        if (t->entries[i].login.no != 0 && has_ended(&t->entries[i], now_ms))
            forget(t, &t->entries[i]);
        if (t->entries[i].login.no == 0)
            free_one = &t->entries[i];
    }
    return free_one != NULL ? free_one : find_victim(t, login);
}

// Appends bytes as base64url without padding (RFC 4648, 5).
static void put_base64url(struct buf *out, const uint8_t *bytes, size_t n_bytes)
{
    struct buf text;

    buf_init(&text, 0);
    crypto_put_base64(&text, bytes, n_bytes);
    for (size_t i = 0; i < text.n_bytes && text.at[i] != '='; i++) {
        char c = text.at[i];

        if (c == '+')
            c = '-';
        if (c == '/')
            c = '_';
        buf_putc(out, c);
    }
    crypto_wipe_buf(&text);
}

void login_add(struct login_table *t, const struct login *login, int64_t now_ms,
               size_t n_bytes, struct buf *secret)
{
    struct login_entry *e = find_free(t, login, now_ms);
    size_t start = secret->n_bytes;
    uint8_t random[LOGIN_SECRET_MAX_BYTES];

    assert(n_bytes <= sizeof(random));
    crypto_random(random, n_bytes);
    put_base64url(secret, random, n_bytes);
    crypto_wipe(random, sizeof(random));
    *e = (struct login_entry){ .login = *login,
                               .made_at_ms = now_ms,
                               .used_at_ms = now_ms };
    e->login.no = ++t->last_no;
    t->is_changed = true;
    crypto_sha256((struct str){ secret->at + start, secret->n_bytes - start },
                  e->hash);
}

static struct login_entry *find(const struct login_table *t, struct str secret)
{
    uint8_t hash[SHA256_BYTES];

    if (secret.n_bytes == 0)
        return NULL;
    crypto_sha256(secret, hash);
    for (size_t i = 0; i < t->max; i++) {
        // Hashes are compared: how long it takes says nothing about the secret.
        if (t->entries[i].login.no != 0 &&
            memcmp(t->entries[i].hash, hash, sizeof(hash)) == 0)
            return &t->entries[i];
    }
    return NULL;
}

static const struct login *use(struct login_table *t, struct login_entry *e,
                               int64_t now_ms)
{
    if (e == NULL)
        return NULL;
    if (has_ended(e, now_ms)) {
        forget(t, e);
        return NULL;
    }
    e->used_at_ms = now_ms;
    t->used_at_ms = now_ms;
    return &e->login;
}

const struct login *login_peek(const struct login_table *t, struct str secret,
                               int64_t now_ms)
{
    const struct login_entry *e = find(t, secret);

    return e != NULL && !has_ended(e, now_ms) ? &e->login : NULL;
}

const struct login *login_find(struct login_table *t, struct str secret,
                               int64_t now_ms)
{
    return use(t, find(t, secret), now_ms);
}

void login_remove(struct login_table *t, struct str secret)
{
    struct login_entry *e = find(t, secret);

    if (e != NULL)
        forget(t, e);
}

void login_remove_org(struct login_table *t, struct str org)
{
    for (size_t i = 0; i < t->max; i++) {
        struct login_entry *e = &t->entries[i];

        if (e->login.no != 0 &&
            str_eq((struct str){ e->login.org, e->login.n_org_bytes }, org))
            forget(t, e);
    }
}

size_t login_count(const struct login_table *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->max; i++)
        n += t->entries[i].login.no != 0;
    return n;
}

void login_put(struct login_table *t, const struct login_entry *entry)
{
    for (size_t i = 0; i < t->max; i++) {
        struct login_entry *e = &t->entries[i];

        if (e->login.no != 0)
            continue;
        *e = *entry;
        e->login.no = ++t->last_no;
        return;
    }
}
