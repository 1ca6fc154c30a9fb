// SPDX-License-Identifier: MIT
// erasures.c — organizations that are being erased, and how far that is.
//
// Happy path: a record lies in the table `meta` of the hooks' environment, under the
// number of the erasure. Each write reads it, changes what it is about, and puts it again,
// in one transaction.
//
// If it fails: nothing has changed, and whoever began the write begins it again.

#include "queue/erasure/erasures.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/catalog/stack_names.h"
#include "queue/erasure/erasure_row.h"
#include "queue/lmdb/row_changes.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/records/schema.h"

#define ERASURE_VERSION 1
#define HOOKS_AT_ONCE   100 // removed in one write
#define TOKENS_AT_ONCE  100
#define VALUES_AT_ONCE  100
#define NAMES_AT_ONCE   500
// What is known of an erasure after its end, for as long as somebody may ask.
#define KEPT_MS (INT64_C(30) * 24 * 3600 * 1000)

static const char prefix[] = "erase";

#define PREFIX_BYTES (sizeof(prefix) - 1)
#define KEY_BYTES    (PREFIX_BYTES + 8)

// --- records ---

// As a record holds it.
struct stored {
    uint8_t id[16];
    unsigned step;
    struct str org;
    uint64_t of_pulumi, of_akinon;
    int64_t started_at_ms, ended_at_ms;
    uint64_t hooks, tokens, attempts, events;
};

#define OF(name) MEMBER(struct stored, name)

static const struct member members[] = {
    OF(id),          MEMBER_MAX(struct stored, step, ERASE_DONE),
    OF(org),         OF(of_pulumi),
    OF(of_akinon),   OF(started_at_ms),
    OF(ended_at_ms), OF(hooks),
    OF(tokens),      OF(attempts),
    OF(events),
};

static void put_key(uint64_t no, uint8_t key[KEY_BYTES])
{
    memcpy(key, prefix, PREFIX_BYTES);
    put_be64(key + PREFIX_BYTES, no);
}

static bool is_key(MDB_val key)
{
    return key.mv_size == KEY_BYTES &&
           memcmp(key.mv_data, prefix, PREFIX_BYTES) == 0;
}

// ERR_CORRUPT: it is no such record.
static enum err decode(uint32_t place, MDB_val key, MDB_val val,
                       struct erasure *out)
{
    struct stored r = { .step = 0 };
    enum err err = record_unpack(place, str_of_val(val), ERASURE_VERSION,
                                 MEMBERS(members), &r);

    if (err != OK || r.step < ERASE_HOOKS || r.org.n_bytes > NAME_MAX_BYTES)
        return ERR_CORRUPT;
    *out = (struct erasure){
        .no = get_be64((const uint8_t *)key.mv_data + PREFIX_BYTES),
        .step = (enum erasure_step)r.step,
        .n_org_bytes = r.org.n_bytes,
        .org_nos = { r.of_pulumi, r.of_akinon },
        .started_at_ms = r.started_at_ms,
        .ended_at_ms = r.ended_at_ms,
        .counts = { r.hooks, r.tokens, r.attempts, r.events },
    };
    memcpy(out->id.bytes, r.id, sizeof(r.id));
    if (r.org.n_bytes > 0)
        memcpy(out->org, r.org.at, r.org.n_bytes);
    return OK;
}

bool erasure_row_is_sound(uint32_t place, MDB_val key, MDB_val val)
{
    struct erasure e;

    return is_key(key) && decode(place, key, val, &e) == OK;
}

static enum err put(struct store *s, MDB_txn *txn, const struct erasure *e)
{
    struct stored r = { .step = e->step,
                        .org = erasure_org(e),
                        .of_pulumi = e->org_nos[0],
                        .of_akinon = e->org_nos[1],
                        .started_at_ms = e->started_at_ms,
                        .ended_at_ms = e->ended_at_ms,
                        .hooks = e->counts.hooks,
                        .tokens = e->counts.tokens,
                        .attempts = e->counts.attempts,
                        .events = e->counts.events };
    uint8_t key[KEY_BYTES];
    struct buf record;
    enum err err;

    memcpy(r.id, e->id.bytes, sizeof(r.id));
    put_key(e->no, key);
    buf_init(&record, 0);
    record_pack(&record, ERASURE_VERSION, MEMBERS(members), &r);
    err = store_err(s,
                    store_put(s, txn, HOOKS_META, val_at(key, sizeof(key)),
                              buf_str(&record), 0),
                    "note erasure");
    buf_clear(&record);
    return err;
}

static enum err get(struct store *s, MDB_txn *txn, uint64_t no,
                    struct erasure *out)
{
    uint8_t bytes[KEY_BYTES];
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    enum err err;

    put_key(no, bytes);
    err = store_err(s, mdb_get(txn, store_db(s, HOOKS_META), &key, &val),
                    "get erasure");
    if (err != OK)
        return err;
    return decode(store_place(s, HOOKS_META, key), key, val, out);
}

// --- reading ---

// Visits the records in their order. A damaged one is passed over: its organization stays
// closed (orgs_is_leaving()), and erasing it once more makes a new record.
static enum err each_in(struct store *s, MDB_txn *txn, erasure_visit visit,
                        void *data)
{
    uint8_t from[KEY_BYTES];
    MDB_val key = val_at(from, sizeof(from));
    MDB_val val;
    MDB_cursor *cursor;
    bool goes_on = true;
    int rc = mdb_cursor_open(txn, store_db(s, HOOKS_META), &cursor);

    if (rc != 0)
        return store_err(s, rc, "list erasures");
    put_key(0, from);
    rc = store_seek(cursor, &key, &val);
    while (rc == 0 && goes_on && is_key(key)) {
        struct erasure e;

        if (decode(store_place(s, HOOKS_META, key), key, val, &e) == OK)
            goes_on = visit(data, &e);
        rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? OK
                                         : store_err(s, rc, "list erasures");
}

enum err erasure_each(struct hook_store *hs, erasure_visit visit, void *data)
{
    MDB_txn *txn;
    enum err err = store_read(hook_store_env(hs), &txn);

    if (err != OK)
        return err;
    err = each_in(hook_store_env(hs), txn, visit, data);
    store_read_end(hook_store_env(hs));
    return err;
}

struct search {
    const struct id *id; // NULL: the first that is not done
    struct erasure *out;
    bool is_found;
};

static bool compare(void *data, const struct erasure *e)
{
    struct search *s = data;

    s->is_found = s->id != NULL ? id_eq(s->id, &e->id) : e->step != ERASE_DONE;
    if (s->is_found)
        *s->out = *e;
    return !s->is_found;
}

enum err erasure_first(struct hook_store *hs, struct erasure *out)
{
    struct search s = { .out = out };
    enum err err = erasure_each(hs, compare, &s);

    return err == OK && !s.is_found ? ERR_NOTFOUND : err;
}

enum err erasure_find(struct hook_store *hs, const struct id *id,
                      struct erasure *out)
{
    struct search s = { .id = id, .out = out };
    enum err err = erasure_each(hs, compare, &s);

    return err == OK && !s.is_found ? ERR_NOTFOUND : err;
}

enum err erasure_is_of(struct hook_store *hs, struct str org, bool *out)
{
    MDB_txn *txn;
    enum err err = store_read(hook_store_env(hs), &txn);

    *out = false;
    if (err != OK)
        return err;
    err = orgs_is_leaving(hook_store_env(hs), txn, org, out);
    store_read_end(hook_store_env(hs));
    return err;
}

// --- writing ---

// A write of an erasure.
struct erasure_write {
    struct catalog_write base;
    struct hook_store *hs;
    struct erasure e;   // erasure_begin()
    uint64_t no;        // the others
    uint64_t n_removed; // erasure_pass()
    enum erasure_step step;
};

static struct erasure_write *write_new(struct hook_store *hs,
                                       catalog_apply apply,
                                       const struct catalog_caller *caller)
{
    struct erasure_write *w = catalog_write_new(sizeof(*w), apply, caller);

    w->hs = hs;
    return w;
}

// --- beginning ---

struct beginning {
    const struct erasure *wanted;
    uint64_t last_no;
    bool is_under_way;
};

static bool look_at(void *data, const struct erasure *e)
{
    struct beginning *b = data;

    b->last_no = e->no;
    b->is_under_way =
        b->is_under_way || (e->step != ERASE_DONE &&
                            str_eq(erasure_org(e), erasure_org(b->wanted)));
    return true;
}

static enum err number(struct store *s, MDB_txn *txn, enum dialect dialect,
                       struct str org, uint64_t *no)
{
    enum err err = orgs_find(s, txn, dialect, org, no);

    if (err == ERR_NOTFOUND)
        *no = 0;
    return err == ERR_NOTFOUND ? OK : err;
}

static enum err apply_begin(struct catalog_write *base, MDB_txn *txn)
{
    struct erasure_write *w = (struct erasure_write *)base;
    struct store *s = hook_store_env(w->hs);
    struct erasure e = w->e;
    struct beginning b = { .wanted = &e };
    enum err err = hook_store_is_denied(w->hs) ? ERR_DENIED : OK;

    if (err == OK && !text_is_name(erasure_org(&e)))
        err = ERR_INVALID;
    if (err == OK)
        err = each_in(s, txn, look_at, &b);
    if (err == OK && b.is_under_way)
        err = ERR_EXISTS;
    if (err == OK)
        err = number(s, txn, DIALECT_PULUMI, erasure_org(&e), &e.org_nos[0]);
    if (err == OK)
        err = number(s, txn, DIALECT_AKINON, erasure_org(&e), &e.org_nos[1]);
    if (err == OK)
        err = orgs_leave(s, txn, erasure_org(&e));
    e.no = b.last_no + 1;
    return err == OK ? put(s, txn, &e) : err;
}

void erasure_begin(struct hook_store *hs, struct str org, const struct id *id,
                   const struct catalog_caller *caller)
{
    struct erasure_write *w = write_new(hs, apply_begin, caller);

    w->e = (struct erasure){ .id = *id,
                             .step = ERASE_HOOKS,
                             .started_at_ms = clock_now_ms() };
    if (org.n_bytes > 0 && org.n_bytes <= NAME_MAX_BYTES) { // else: refused
        w->e.n_org_bytes = org.n_bytes;
        memcpy(w->e.org, org.at, org.n_bytes);
    }
    catalog_writer_add(hook_store_writer(hs), &w->base);
}

// --- the steps ---

// Appends the first key that begins with `from`, if there is one.
static enum err first_key(struct store *s, MDB_txn *txn, struct str from,
                          struct buf *key)
{
    MDB_cursor *cursor;
    MDB_val k = val_of(from);
    MDB_val v;
    int rc = mdb_cursor_open(txn, store_db(s, HOOKS_HOOKS), &cursor);

    if (rc != 0)
        return store_err(s, rc, "find hook");
    rc = store_seek(cursor, &k, &v);
    if (rc == 0 && str_starts(str_of_val(k), from))
        buf_put_str(key, str_of_val(k));
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "find hook");
}

static enum err remove_hooks_at(struct hook_store *hs, MDB_txn *txn,
                                struct str from, size_t max, size_t *n)
{
    struct buf key;
    enum err err = OK;

    buf_init(&key, 0);
    while (err == OK && *n < max) {
        buf_reset(&key);
        err = first_key(hook_store_env(hs), txn, from, &key);
        if (err != OK || key.n_bytes == 0)
            break;
        err = hook_delete_at(hs, txn, buf_str(&key));
        *n += err == OK;
    }
    buf_clear(&key);
    return err;
}

static enum err remove_hooks(struct hook_store *hs, MDB_txn *txn,
                             struct str org, size_t *n)
{
    struct buf from;
    enum err err = OK;

    *n = 0;
    buf_init(&from, 0);
    for (int dialect = DIALECT_PULUMI; dialect <= DIALECT_AKINON; dialect++) {
        for (int level = LEVEL_ORGANIZATION; level <= LEVEL_PROJECT; level++) {
            buf_reset(&from);
            hook_cursor_put_level((enum dialect)dialect, org,
                                  (enum hook_level)level, &from);
            if (err == OK) {
                err =
                    remove_hooks_at(hs, txn, buf_str(&from), HOOKS_AT_ONCE, n);
            }
        }
    }
    buf_clear(&from);
    return err;
}

static enum err remove_tokens(struct store *s, MDB_txn *txn, struct str org,
                              size_t *n)
{
    uint8_t at[TOKEN_HASH_BYTES];
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, HOOKS_TOKENS), &cursor);

    *n = 0;
    if (rc != 0)
        return store_err(s, rc, "remove tokens");
    rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);
    while (rc == 0 && *n < TOKENS_AT_ONCE) {
        struct token token;

        if (token_decode(store_place(s, HOOKS_TOKENS, key), str_of_val(key),
                         str_of_val(val), &token) != OK ||
            !str_eq(token.org, org)) {
            rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
            continue;
        }
        memcpy(at, token.hash, sizeof(at));
        rc = row_cursor_del(cursor);
        ++*n;
        key = val_at(at, sizeof(at));
        if (rc == 0)
            rc = store_seek(cursor, &key, &val);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? OK
                                         : store_err(s, rc, "remove tokens");
}

// Its values, in both dialects.
static enum err remove_values(struct store *s, MDB_txn *txn,
                              const struct erasure *e, size_t *n)
{
    enum err err = OK;

    *n = 0;
    for (size_t i = 0; i < 2 && err == OK; i++) {
        size_t n_here = 0;

        if (e->org_nos[i] != 0) {
            err = org_values_remove(s, txn, e->org_nos[i], VALUES_AT_ONCE,
                                    &n_here);
        }
        *n += n_here;
    }
    return err;
}

static enum err work_on_hooks(struct hook_store *hs, MDB_txn *txn,
                              struct erasure *e)
{
    size_t n_hooks = 0;
    size_t n_tokens = 0;
    size_t n_values = 0;
    enum err err =
        remove_tokens(hook_store_env(hs), txn, erasure_org(e), &n_tokens);

    if (err == OK)
        err = remove_hooks(hs, txn, erasure_org(e), &n_hooks);
    if (err == OK)
        err = remove_values(hook_store_env(hs), txn, e, &n_values);
    e->counts.hooks += n_hooks;
    e->counts.tokens += n_tokens;
    if (n_hooks + n_tokens + n_values == 0)
        e->step = ERASE_DELIVERIES;
    return err;
}

struct olds {
    uint64_t no; // 0: none
    int64_t before_ms;
};

static bool find_old(void *data, const struct erasure *e)
{
    struct olds *o = data;

    if (e->step == ERASE_DONE && e->ended_at_ms < o->before_ms)
        o->no = e->no;
    return o->no == 0;
}

// Forgets an erasure that ended long ago. The last one stays: numbers go on behind it.
static enum err forget_old(struct store *s, MDB_txn *txn)
{
    struct olds o = { .before_ms = clock_now_ms() - KEPT_MS };
    uint8_t bytes[KEY_BYTES];
    MDB_val key = val_at(bytes, sizeof(bytes));
    enum err err = each_in(s, txn, find_old, &o);

    if (err != OK || o.no == 0)
        return err;
    put_key(o.no, bytes);
    return store_err(s, row_del(txn, store_db(s, HOOKS_META), &key),
                     "forget erasure");
}

static enum err work_on_names(struct hook_store *hs, MDB_txn *txn,
                              struct erasure *e)
{
    size_t n = 0;
    enum err err = stacks_remove(hook_store_env(hs), txn, HOOKS_STACKS,
                                 erasure_org(e), NAMES_AT_ONCE, &n);

    stacks_forget(hook_store_seen(hs));
    if (err != OK || n == NAMES_AT_ONCE)
        return err;
    err = orgs_forget(hook_store_env(hs), txn, erasure_org(e));
    if (err == OK)
        err = forget_old(hook_store_env(hs), txn);
    e->n_org_bytes = 0; // nothing is left that has its name
    e->ended_at_ms = clock_now_ms();
    e->step = ERASE_DONE;
    return err;
}

static enum err apply_work(struct catalog_write *base, MDB_txn *txn)
{
    struct erasure_write *w = (struct erasure_write *)base;
    struct erasure e;
    enum err err = get(hook_store_env(w->hs), txn, w->no, &e);

    if (err == OK && hook_store_is_denied(w->hs))
        err = ERR_DENIED;
    if (err == OK && e.step == ERASE_HOOKS) {
        err = work_on_hooks(w->hs, txn, &e);
    } else if (err == OK && e.step == ERASE_NAMES) {
        err = work_on_names(w->hs, txn, &e);
    } else {
        return err;
    }
    return err == OK ? put(hook_store_env(w->hs), txn, &e) : err;
}

void erasure_work(struct hook_store *hs, uint64_t no,
                  const struct catalog_caller *caller)
{
    struct erasure_write *w = write_new(hs, apply_work, caller);

    w->no = no;
    catalog_writer_add(hook_store_writer(hs), &w->base);
}

static enum err apply_pass(struct catalog_write *base, MDB_txn *txn)
{
    struct erasure_write *w = (struct erasure_write *)base;
    struct erasure e;
    enum err err = get(hook_store_env(w->hs), txn, w->no, &e);

    if (err != OK || e.step != w->step)
        return err;
    if (e.step == ERASE_DELIVERIES) {
        e.counts.attempts = w->n_removed;
        e.step = ERASE_EVENTS;
    } else if (e.step == ERASE_EVENTS) {
        e.counts.events = w->n_removed;
        e.step = ERASE_NAMES;
    }
    return put(hook_store_env(w->hs), txn, &e);
}

void erasure_pass(struct hook_store *hs, uint64_t no, enum erasure_step step,
                  uint64_t n_removed, const struct catalog_caller *caller)
{
    struct erasure_write *w = write_new(hs, apply_pass, caller);

    w->no = no;
    w->step = step;
    w->n_removed = n_removed;
    catalog_writer_add(hook_store_writer(hs), &w->base);
}
