// SPDX-License-Identifier: MIT
// journal_contract_values.c — the model of small values, for the random part.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/journal_contract_private.h"

#define KEYS       5
#define VALUES_MAX 64 // that one key has had

// What a key has had, or may get yet.
struct value_state {
    uint64_t expected; // the revision that it replaces; 0: none
    uint64_t revision; // 0: not known to be stored
    uint64_t number;   // in its bytes
    bool is_deletion;
    bool may_turn_up;
    bool has_happened; // a deletion of which the revision is not known
};

struct key_state {
    char name[JOURNAL_NAME_BYTES + 1];
    struct value_state had[VALUES_MAX];
    size_t n_had;
    uint64_t revision; // 0: none
    uint64_t changed;  // the revision of the last change, also of a deletion
};

struct watching {
    uint64_t after;
    uint64_t seen[KEYS]; // the last revision that came
};

struct contract_values {
    struct contract_run *r;
    struct key_state keys[KEYS];
    struct watching watching[CONTRACT_HANDLES];
    size_t watcher; // whose call is running
};

// The deletion that may have happened by now; NULL: none.
static struct value_state *find_deletion(struct key_state *k)
{
    for (size_t i = 0; i < k->n_had; i++) {
        struct value_state *v = &k->had[i];

        if (v->is_deletion && v->may_turn_up && v->expected == k->revision)
            return v;
    }
    return NULL;
}

static bool value_may_arrive(struct key_state *k, const struct value_state *v)
{
    return v->may_turn_up && (v->expected == k->revision ||
                              (v->expected == 0 && find_deletion(k) != NULL));
}

static bool is_settled(struct key_state *k)
{
    for (size_t i = 0; i < k->n_had; i++) {
        if (value_may_arrive(k, &k->had[i]))
            return false;
    }
    return true;
}

static void note_stored(struct key_state *k, struct value_state *v,
                        uint64_t revision)
{
    v->revision = revision;
    v->may_turn_up = false;
    v->has_happened = false;
    if (revision > k->changed)
        k->changed = revision;
    k->revision = v->is_deletion ? 0 : revision;
}

// A deletion has happened, and its revision is not known yet.
static void note_deleted(struct key_state *k, struct value_state *v)
{
    v->may_turn_up = false;
    v->has_happened = true;
    k->revision = 0;
}

static void value_bytes(struct buf *to, const struct value_state *v)
{
    contract_entry(to, 0, v->number, CONTRACT_HEAD_BYTES + v->number % 50);
}

// Whether this may be what somebody saw.
static bool may_be(struct key_state *k, const struct value_state *v,
                   uint64_t revision, struct str bytes, bool is_deleted)
{
    struct buf wanted;
    bool is = is_deleted;

    if (v->is_deletion != is_deleted)
        return false;
    if (!is_deleted) {
        buf_init(&wanted, 0);
        value_bytes(&wanted, v);
        is = str_eq(buf_str(&wanted), bytes);
        buf_clear(&wanted);
    }
    if (v->revision != 0)
        return is && v->revision == revision;
    return is && revision > k->changed &&
           (v->has_happened || value_may_arrive(k, v));
}

// Somebody saw this revision of the key, with these bytes.
static void learn(struct contract_values *s, struct key_state *k,
                  uint64_t revision, struct str bytes, bool is_deleted)
{
    struct value_state *found = NULL;
    struct value_state *deletion = find_deletion(k);

    for (size_t i = 0; i < k->n_had && found == NULL; i++) {
        if (may_be(k, &k->had[i], revision, bytes, is_deleted))
            found = &k->had[i];
    }
    if (!contract_check(s->r, found != NULL,
                        "value %s: revision %llu was put by nobody, or has "
                        "another value; the last one is %llu",
                        k->name, (unsigned long long)revision,
                        (unsigned long long)k->revision) ||
        found->revision != 0)
        return;
    if (found->has_happened) {
        found->revision = revision;
        found->has_happened = false;
        k->changed = revision;
    } else {
        if (found->expected == 0 && deletion != NULL)
            note_deleted(k, deletion);
        note_stored(k, found, revision);
    }
}

static void step_get(struct contract_values *s, size_t h, struct key_state *k)
{
    struct contract_run *r = s->r;
    uint64_t revision = 99;
    struct buf got;
    enum err err;

    buf_init(&got, 0);
    err = contract_get(r, r->handles[h], str_of(k->name), &got, &revision);
    if (contract_check(r, err == OK || err == ERR_NOTFOUND, "get: %s",
                       err_str(err)) &&
        contract_check(r, (err == ERR_NOTFOUND) == (revision == 0),
                       "get: %s with revision %llu", err_str(err),
                       (unsigned long long)revision)) {
        struct value_state *deletion = find_deletion(k);

        if (err == OK) {
            learn(s, k, revision, buf_str(&got), false);
        } else if (k->revision != 0 && deletion != NULL) {
            note_deleted(k, deletion);
        }
        contract_check(r, revision == k->revision,
                       "get: revision %llu, and %llu is the last one",
                       (unsigned long long)revision,
                       (unsigned long long)k->revision);
    }
    buf_clear(&got);
}

static void note_put(struct contract_values *s, size_t h, struct key_state *k,
                     struct value_state *v, enum err err, uint64_t revision)
{
    struct contract_run *r = s->r;
    struct value_state *deletion = find_deletion(k);

    switch ((int)err) {
    case OK:
        if (v->expected == 0 && deletion != NULL)
            note_deleted(k, deletion);
        if (contract_check(
                r, v->expected == k->revision && revision > k->changed,
                "put: %llu replaces %llu, and %llu was the last one",
                (unsigned long long)revision, (unsigned long long)v->expected,
                (unsigned long long)k->revision))
            note_stored(k, v, revision);
        break;
    case ERR_CONFLICT:
        contract_check(r, v->expected != k->revision || !is_settled(k),
                       "put over the last revision, %llu, is refused",
                       (unsigned long long)k->revision);
        k->n_had--; // it never comes
        step_get(s, h, k);
        break;
    case ERR_FULL:
        contract_check(r, r->c->has_faults, "put: no room");
        k->n_had--;
        break;
    case ERR_AGAIN:
        contract_check(r, r->c->has_faults, "put: it has no outcome");
        v->may_turn_up = true;
        break;
    default:
        contract_fault(r, "put: %s", err_str(err));
        break;
    }
}

static void step_put(struct contract_values *s, size_t h, struct key_state *k)
{
    struct contract_run *r = s->r;
    struct value_state *v = &k->had[k->n_had];
    uint64_t revision = 0;
    struct buf bytes;
    struct str value;
    enum err err;

    if (k->n_had == VALUES_MAX) // enough is known of it
        return;
    *v = (struct value_state){ .expected = k->revision,
                               .number = contract_random(&r->random) };
    if (contract_below(r, 6) == 0 && k->n_had > 0)
        v->expected = k->had[contract_below(r, k->n_had)].revision;
    v->is_deletion = v->expected != 0 && contract_below(r, 4) == 0;
    k->n_had++;
    buf_init(&bytes, 0);
    value_bytes(&bytes, v);
    value = buf_str(&bytes);
    err = journal_value_put(r->handles[h], str_of(k->name),
                            v->is_deletion ? NULL : &value, v->expected,
                            r->c->wait_ms, &revision);
    note_put(s, h, k, v, err, revision);
    buf_clear(&bytes);
}

static void on_value(void *data, const struct journal_value *v)
{
    struct contract_values *s = data;
    struct watching *w = &s->watching[s->watcher];

    for (size_t i = 0; i < KEYS; i++) {
        struct key_state *k = &s->keys[i];

        if (!str_is(v->key, k->name))
            continue;
        contract_check(s->r, v->revision > 0,
                       "watch: a value without revision");
        learn(s, k, v->revision, v->bytes, v->is_deleted);
        if (v->revision > w->seen[i])
            w->seen[i] = v->revision;
        return;
    }
    contract_fault(s->r, "watch: %.*s does not begin with the prefix",
                   STR_ARG(v->key));
}

// Whether something came.
static bool step_watch(struct contract_values *s, size_t h)
{
    struct contract_run *r = s->r;
    struct watching *w = &s->watching[h];
    char prefix[JOURNAL_NAME_BYTES + 1];
    bool is_behind = false;
    uint64_t after = w->after;
    enum err err;

    // A deletion is nothing to a watcher that begins.
    for (size_t i = 0; i < KEYS; i++) {
        is_behind |= s->keys[i].changed > after &&
                     (after > 0 || s->keys[i].revision != 0);
    }
    s->watcher = h;
    contract_name(r, prefix, "random", 0);
    prefix[strlen(prefix) - 1] = '\0';
    err = journal_value_watch(r->handles[h], str_of(prefix), after,
                              is_behind ? r->c->wait_ms : r->c->look_ms,
                              on_value, s, &after);
    if (err == OK) {
        w->after = after;
    } else if (err == ERR_NOTFOUND) {
        contract_check(r, r->c->has_faults || !is_behind,
                       "watch: nothing comes behind %llu",
                       (unsigned long long)w->after);
    } else {
        contract_check(r, err == ERR_AGAIN && r->c->has_faults, "watch: %s",
                       err_str(err));
    }
    return err == OK;
}

// The last value of each key has come to each watcher.
static void end_watching(struct contract_values *s, size_t h)
{
    struct contract_run *r = s->r;
    struct watching *w = &s->watching[h];
    size_t i = 0;

    for (unsigned n = 0; n < 1000 && i < KEYS && !contract_is_over(r); n++) {
        const struct key_state *k = &s->keys[i];

        if (w->seen[i] == k->changed || (k->revision == 0 && w->seen[i] == 0)) {
            i++;
        } else {
            step_watch(s, h);
        }
    }
    contract_check(
        r, i == KEYS, "watch: revision %llu of %s never comes, only %llu",
        (unsigned long long)s->keys[i % KEYS].changed, s->keys[i % KEYS].name,
        (unsigned long long)w->seen[i % KEYS]);
}

struct contract_values *contract_values_new(struct contract_run *r)
{
    struct contract_values *s = xcalloc(1, sizeof(*s));

    s->r = r;
    for (unsigned i = 0; i < KEYS; i++)
        contract_name(r, s->keys[i].name, "random", i);
    return s;
}

void contract_values_step(struct contract_values *s)
{
    struct contract_run *r = s->r;
    size_t h = contract_below(r, r->n_handles);
    struct key_state *k = &s->keys[contract_below(r, KEYS)];

    switch (contract_below(r, 4)) {
    case 0:
        step_get(s, h, k);
        break;
    case 1:
        step_watch(s, h);
        break;
    default:
        step_put(s, h, k);
        break;
    }
}

void contract_values_end(struct contract_values *s)
{
    struct contract_run *r = s->r;

    // What may turn up yet is no longer asked for.
    for (size_t i = 0; i < KEYS && !contract_is_over(r); i++)
        step_get(s, 0, &s->keys[i]);
    for (size_t h = 0; h < r->n_handles; h++)
        end_watching(s, h);
    free(s);
}
