// SPDX-License-Identifier: MIT
// convert.c — converts records of format 4, one by one, to this format.
//
// Format 4 knew organizations by a hash of their names. Names are learned from
// hooks, events, tokens and the lists of stacks, all of which come before the
// shards. A row of a shard belongs to the organization of its hook; if the hook is
// gone, to the only name with that hash. If there is none, or several, it gets a
// number that no organization has: a history that nobody sees is better than one
// that a stranger sees.

#include "queue/admin/convert.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/hash_map.h"
#include "common/base/mem.h"
#include "queue/catalog/orgs.h"
#include "queue/records/hook_health.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"

struct old_org {
    struct hash_node node; // by the old number, which is a hash of the name
    enum dialect dialect;
    char *name;
    size_t n_name;
    bool is_several;
    uint64_t no; // 0: not handed out yet
};

struct old_hook {
    struct hash_node node; // by the hook's number
    uint64_t old_no, no;   // of its organization
};

struct migration {
    struct event_hasher hasher;
    struct hash_map orgs, hooks_by_no;
    struct copy_to *hooks; // of the new directory; NULL: not complete yet
    struct buf fresh;
    uint8_t key[STATS_KEY_BYTES > EVENT_KEY_BYTES ? STATS_KEY_BYTES
                                                  : EVENT_KEY_BYTES];
};

struct migration *migration_new(const struct event_hasher *hasher)
{
    struct migration *m = xcalloc(1, sizeof(*m));

    m->hasher = *hasher;
    buf_init(&m->fresh, 0);
    return m;
}

void migration_free(struct migration *m)
{
    struct hash_node *next;

    if (m == NULL)
        return;
    for (struct hash_node *n = hash_map_next(&m->orgs, NULL); n != NULL;
         n = next) {
        next = hash_map_next(&m->orgs, n);
        free(HASH_OBJECT(n, struct old_org, node)->name);
        free(HASH_OBJECT(n, struct old_org, node));
    }
    for (struct hash_node *n = hash_map_next(&m->hooks_by_no, NULL); n != NULL;
         n = next) {
        next = hash_map_next(&m->hooks_by_no, n);
        free(HASH_OBJECT(n, struct old_hook, node));
    }
    hash_map_clear(&m->orgs);
    hash_map_clear(&m->hooks_by_no);
    buf_clear(&m->fresh);
    free(m);
}

// --- what is known of organizations ---

static uint64_t old_no_of(enum dialect dialect, struct str org)
{
    return hash64(org, (uint64_t)dialect) | OWNER_IS_ORG;
}

static struct old_org *org_make(struct migration *m, uint64_t old_no)
{
    struct old_org *org =
        HASH_OBJECT(hash_map_find(&m->orgs, old_no), struct old_org, node);

    if (org == NULL) {
        org = xcalloc(1, sizeof(*org));
        hash_map_add(&m->orgs, &org->node, old_no);
    }
    return org;
}

static void learn(struct migration *m, enum dialect dialect, struct str name)
{
    struct old_org *org;

    if (name.n_bytes == 0)
        return;
    org = org_make(m, old_no_of(dialect, name));
    if (org->name == NULL) {
        org->dialect = dialect;
        org->name = xmalloc(name.n_bytes);
        org->n_name = name.n_bytes;
        memcpy(org->name, name.at, name.n_bytes);
    } else if (org->dialect != dialect ||
               !str_eq((struct str){ org->name, org->n_name }, name)) {
        org->is_several = true;
    }
}

static struct old_hook *hook_find(const struct migration *m, uint64_t hook_id)
{
    return HASH_OBJECT(hash_map_find(&m->hooks_by_no, hook_id), struct old_hook,
                       node);
}

static void learn_hook(struct migration *m, uint64_t hook_id, uint64_t old_no,
                       uint64_t no)
{
    struct old_hook *hook = hook_find(m, hook_id);

    if (hook == NULL) {
        hook = xcalloc(1, sizeof(*hook));
        hash_map_add(&m->hooks_by_no, &hook->node, hook_id);
    }
    hook->old_no = old_no;
    hook->no = no;
}

// The number that replaces a hash.
static enum err new_no(struct migration *m, uint64_t hook_id, uint64_t old_no,
                       uint64_t *no)
{
    const struct old_hook *hook = hook_find(m, hook_id);
    struct old_org *org;
    enum err err = OK;

    if (hook != NULL && hook->old_no == old_no) {
        *no = hook->no;
        return OK;
    }
    org = org_make(m, old_no);
    if (org->no == 0) {
        struct copy_to *h = m->hooks;
        struct str name = { org->name, org->n_name };

        err = copy_ready(h, 0);
        if (err == OK && org->name != NULL && !org->is_several) {
            err = orgs_give(h->store, h->txn, org->dialect, name, &org->no);
        } else if (err == OK) {
            err = orgs_give_nobody(h->store, h->txn, &org->no);
        }
    }
    *no = org->no;
    return err;
}

// --- records ---

static void take_fresh(struct migration *m, struct copy_to *to)
{
    struct buf old = to->plain;

    to->plain = m->fresh;
    m->fresh = old;
}

static enum err convert_event(struct migration *m, struct copy_to *to)
{
    uint8_t key[EVENT_KEY_BYTES];
    struct str id_key;
    struct event e;
    enum err err =
        event_decode(RECORD_NOWHERE, buf_str(&to->plain), &e, &id_key);

    if (err != OK)
        return err;
    learn(m, e.dialect, e.org);
    if (id_key.n_bytes != sizeof(key))
        return OK;
    event_key_of_old_id(e.dialect, e.org, &e.id, key);
    if (memcmp(key, id_key.at, sizeof(key)) != 0)
        return OK; // an idempotency key: only its hash is known
    event_key_of_id(&m->hasher, e.dialect, e.org, &e.id, key);
    buf_reset(&m->fresh);
    event_encode(&e, key, &m->fresh);
    take_fresh(m, to);
    return OK;
}

// Fills in what the key's event tells, which is in the new log already.
static enum err convert_key(struct migration *m, struct copy_to *to,
                            struct copy_record *r)
{
    uint8_t old_key[EVENT_KEY_BYTES];
    struct str id_key;
    struct key_row row;
    struct event e;
    MDB_val key;
    MDB_val val;
    enum err err = key_decode(RECORD_NOWHERE, buf_str(&to->plain), &row);

    if (err == OK)
        err = copy_ready(to, 0);
    if (err != OK)
        return err;
    key = val_at(row.position.bytes, sizeof(row.position.bytes));
    if (r->key.mv_size != EVENT_KEY_BYTES ||
        mdb_get(to->txn, store_db(to->store, EVENTS_EVENTS), &key, &val) != 0 ||
        event_decode_at(store_place(to->store, EVENTS_EVENTS, key),
                        str_of_val(key), str_of_val(val), &e, &id_key) != OK)
        return OK; // its event was removed: the content is unknown
    event_key_of_old_id(e.dialect, e.org, &e.id, old_key);
    if (memcmp(old_key, r->key.mv_data, sizeof(old_key)) == 0) {
        event_key_of_id(&m->hasher, e.dialect, e.org, &e.id, m->key);
        r->key = val_at(m->key, EVENT_KEY_BYTES);
    } else if (!str_eq(id_key, str_of_val(r->key))) {
        return OK; // of another event
    }
    event_content(&m->hasher, &e, row.content);
    row.is_old = false;
    buf_reset(&m->fresh);
    key_encode(&row, &m->fresh);
    take_fresh(m, to);
    return OK;
}

static enum err convert_hook(struct migration *m, struct copy_to *to,
                             const struct copy_record *r)
{
    struct hook_room room;
    struct hook h;
    uint64_t no = 0;
    enum err err;

    hook_room_init(&room);
    err = hook_decode(r->place, str_of_val(r->val), NULL, &h, &room);
    if (err == OK)
        err = copy_ready(to, 0);
    if (err == OK) {
        learn(m, h.scope.dialect, h.scope.org);
        err = orgs_give(to->store, to->txn, h.scope.dialect, h.scope.org, &no);
    }
    if (err == OK)
        learn_hook(m, h.no, old_no_of(h.scope.dialect, h.scope.org), no);
    hook_room_clear(&room);
    return err;
}

static enum err convert_attempt(struct migration *m, struct copy_to *to,
                                struct copy_record *r)
{
    enum err err =
        new_no(m, r->attempt.hook_id, r->attempt.org_id, &r->attempt.org_id);

    if (err != OK)
        return err;
    buf_reset(&m->fresh);
    attempt_encode(&r->attempt, &m->fresh);
    take_fresh(m, to);
    return OK;
}

static enum err convert_stats(struct migration *m, struct copy_record *r)
{
    uint64_t no;
    enum err err;

    memcpy(m->key, r->key.mv_data, STATS_KEY_BYTES);
    no = get_be64(m->key + STATS_KEY_BYTES - 8);
    if (no < OWNER_IS_ORG)
        return OK; // of a hook
    err = new_no(m, 0, no, &no);
    put_be64(m->key + STATS_KEY_BYTES - 8, no);
    r->key = val_at(m->key, STATS_KEY_BYTES);
    return err;
}

static enum err convert_replay(struct migration *m, struct copy_to *to)
{
    struct replay replay;
    enum err err = replay_decode(buf_str(&to->plain), &replay);

    if (err == OK)
        err = new_no(m, replay.hook_id, replay.org_id, &replay.org_id);
    if (err != OK)
        return err;
    buf_reset(&m->fresh);
    replay_encode(&replay, &m->fresh);
    take_fresh(m, to);
    return OK;
}

static enum err convert_health(struct migration *m, struct copy_to *to)
{
    struct unreported_dead dead;
    struct hook_health health;
    enum err err =
        health_decode(RECORD_NOWHERE, buf_str(&to->plain), &health, &dead);

    if (err != OK)
        return err;
    buf_reset(&m->fresh);
    health_encode(&health, &m->fresh); // the first ones had no checksum
    take_fresh(m, to);
    return OK;
}

static enum err convert_token(struct migration *m, const struct copy_record *r)
{
    struct token token;
    enum err err =
        token_decode(r->place, str_of_val(r->key), str_of_val(r->val), &token);

    if (err == OK) {
        learn(m, DIALECT_PULUMI, token.org);
        learn(m, DIALECT_AKINON, token.org);
    }
    return err;
}

enum err migration_convert(struct migration *m, struct copy_to *to,
                           struct copy_record *r)
{
    if (to->part.dbs == events_dbs) {
        return r->db == EVENTS_EVENTS ? convert_event(m, to)
                                      : convert_key(m, to, r);
    }
    if (to->part.dbs == hooks_dbs) {
        if (r->db == HOOKS_HOOKS)
            return convert_hook(m, to, r);
        return r->db == HOOKS_TOKENS ? convert_token(m, r) : OK;
    }
    switch (r->db) {
    case SHARD_ATTEMPTS:
        return convert_attempt(m, to, r);
    case SHARD_STATS:
        return convert_stats(m, r);
    case SHARD_REPLAYS:
        return convert_replay(m, to);
    case SHARD_HEALTH:
        return convert_health(m, to);
    default:
        return OK;
    }
}

enum err migration_note_row(struct migration *m, struct copy_to *to,
                            const struct copy_record *r)
{
    const char *end;

    if ((to->part.dbs == events_dbs && r->db == EVENTS_STACKS) ||
        (to->part.dbs == hooks_dbs && r->db == HOOKS_STACKS)) {
        end = memchr(r->key.mv_data, '\0', r->key.mv_size);
        if (end != NULL) {
            learn(m, DIALECT_PULUMI,
                  (struct str){ r->key.mv_data,
                                (size_t)(end - (char *)r->key.mv_data) });
        }
    }
    return OK;
}

enum err migration_begin_shards(struct migration *m, struct copy_to *events,
                                struct copy_to *hooks, int64_t now_us)
{
    enum err err = copy_ready(events, 0);

    m->hooks = hooks;
    if (err == OK) {
        err = event_put_old_until(events->store, events->txn,
                                  now_us + EVENT_KEY_WINDOW_US);
    }
    return err == OK ? copy_flush(events) : err;
}

enum err migration_finish(struct migration *m)
{
    return copy_flush(m->hooks);
}
