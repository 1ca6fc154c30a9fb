// SPDX-License-Identifier: MIT
// lmdb_values.c — small values and leases in LMDB.

#include "queue/journal/lmdb_values.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "queue/journal/lmdb_space.h"

#define RECORD_FORMAT 1

// --- values ---

struct value {
    uint64_t revision;
    bool is_deleted;
    struct str bytes; // borrowed from the transaction
};

static const struct member value_members[] = {
    MEMBER(struct value, revision),
    MEMBER(struct value, is_deleted),
    MEMBER(struct value, bytes),
};

static enum err unpack_value(struct unpack *u, struct value *v)
{
    members_unpack(u, MEMBERS(value_members), RECORD_FORMAT, v);
    return unpack_done(u);
}

// ERR_NOTFOUND: there is none, or it was deleted.
static enum err find_value(struct lmdb_space *s, MDB_txn *txn, struct str key,
                           struct value *v)
{
    struct unpack u;
    enum err err = lmdb_get(s, txn, LMDB_VALUES, key, &u);

    *v = (struct value){ 0 };
    if (err == OK)
        err = unpack_value(&u, v);
    return err == OK && v->is_deleted ? ERR_NOTFOUND : err;
}

enum err lmdb_value_get(struct journal *j, struct str key, int64_t wait_ms,
                        struct buf *bytes, uint64_t *revision)
{
    struct lmdb_space *s = lmdb_handle_of(j)->space;
    struct value v;
    MDB_txn *txn;
    enum err err;

    (void)wait_ms;
    if (!journal_name_is_valid(key))
        return ERR_INVALID;
    err = lmdb_read(s, &txn);
    if (err != OK)
        return err;
    err = find_value(s, txn, key, &v);
    *revision = err == OK ? v.revision : 0;
    if (err == OK)
        buf_put_str(bytes, v.bytes);
    mdb_txn_abort(txn);
    return err;
}

struct put {
    struct str key;
    const struct str *bytes;
    uint64_t expected, revision;
};

static enum err put_work(struct lmdb_space *s, MDB_txn *txn, void *data)
{
    struct put *p = data;
    struct value v;
    struct buf record;
    enum err err = find_value(s, txn, p->key, &v);

    if (err != OK && err != ERR_NOTFOUND)
        return err;
    if ((err == OK ? v.revision : 0) != p->expected)
        return ERR_CONFLICT;
    err = lmdb_next_number(s, txn, &p->revision);
    if (err != OK)
        return err;
    v = (struct value){ .revision = p->revision,
                        .is_deleted = p->bytes == NULL };
    if (p->bytes != NULL)
        v.bytes = *p->bytes;
    buf_init(&record, 0);
    record_pack(&record, RECORD_FORMAT, MEMBERS(value_members), &v);
    err = lmdb_put(s, txn, LMDB_VALUES, p->key, &record, v.is_deleted);
    buf_clear(&record);
    return err;
}

enum err lmdb_value_put(struct journal *j, struct str key,
                        const struct str *bytes, uint64_t expected,
                        int64_t wait_ms, uint64_t *revision)
{
    struct put p = { .key = key, .bytes = bytes, .expected = expected };
    enum err err;

    (void)wait_ms;
    if (!journal_name_is_valid(key) || (bytes == NULL && expected == 0))
        return ERR_INVALID;
    if (bytes != NULL && bytes->n_bytes > JOURNAL_VALUE_BYTES)
        return ERR_TOOBIG;
    err = lmdb_write(lmdb_handle_of(j)->space, put_work, &p);
    if (err == OK)
        *revision = p.revision;
    return err;
}

// --- watching ---

// What was found, copied: the callback may call the journal.
struct found {
    char key[JOURNAL_NAME_BYTES + 1];
    struct buf bytes;
    bool is_deleted;
    uint64_t revision;
};

struct watch {
    struct str prefix;
    uint64_t after;
    struct found *found; // owned
    size_t n, n_max;
};

static void watch_clear(struct watch *w)
{
    for (size_t i = 0; i < w->n; i++)
        buf_clear(&w->found[i].bytes);
    free(w->found);
    w->found = NULL;
    w->n = 0;
    w->n_max = 0;
}

static enum err note_value(struct lmdb_space *s, struct watch *w, MDB_val key,
                           MDB_val val)
{
    struct found *f;
    struct value v = { 0 };
    struct unpack u;
    enum err err = lmdb_open_record(s, LMDB_VALUES, key, val, &u);

    if (err == OK)
        err = unpack_value(&u, &v);
    if (err == OK && key.mv_size > JOURNAL_NAME_BYTES)
        err = ERR_CORRUPT;
    // A deletion is nothing to a watcher that begins.
    if (err != OK || v.revision <= w->after || (v.is_deleted && w->after == 0))
        return err;
    if (w->n == w->n_max) {
        w->n_max = w->n_max * 2 + 16;
        w->found = xrealloc(w->found, w->n_max * sizeof(*w->found));
    }
    f = &w->found[w->n++];
    *f = (struct found){ .is_deleted = v.is_deleted, .revision = v.revision };
    memcpy(f->key, key.mv_data, key.mv_size);
    buf_init(&f->bytes, 0);
    buf_put_str(&f->bytes, v.bytes);
    return OK;
}

// ERR_NOTFOUND: nothing has changed.
static enum err find_changed(struct lmdb_space *s, MDB_txn *txn,
                             struct watch *w)
{
    MDB_cursor *cursor;
    MDB_val key = val_of(w->prefix);
    MDB_val val;
    enum err err = store_err(
        s->store,
        mdb_cursor_open(txn, store_db(s->store, LMDB_VALUES), &cursor),
        "watch");
    int rc;

    if (err != OK)
        return err;
    rc = w->prefix.n_bytes > 0 ? store_seek(cursor, &key, &val)
                               : mdb_cursor_get(cursor, &key, &val, MDB_FIRST);
    while (rc == 0 && err == OK && str_starts(str_of_val(key), w->prefix)) {
        err = note_value(s, w, key, val);
        if (err == OK)
            rc = store_next(cursor, &key, &val);
    }
    mdb_cursor_close(cursor);
    if (err == OK && rc != 0 && rc != MDB_NOTFOUND)
        err = store_err(s->store, rc, "watch");
    return err == OK && w->n == 0 ? ERR_NOTFOUND : err;
}

// NOLINTNEXTLINE(readability-function-size): the seam names them all
enum err lmdb_value_watch(struct journal *j, struct str prefix, uint64_t after,
                          int64_t wait_ms, journal_value_fn on_value,
                          void *data, uint64_t *revision)
{
    struct lmdb_space *s = lmdb_handle_of(j)->space;
    struct lmdb_patience p = lmdb_patience_of(wait_ms);
    struct watch w = { .prefix = prefix, .after = after };
    enum err err;

    do {
        MDB_txn *txn;

        err = lmdb_read(s, &txn);
        if (err != OK)
            break;
        p.seen = mdb_txn_id(txn);
        err = find_changed(s, txn, &w);
        mdb_txn_abort(txn);
    } while (err == ERR_NOTFOUND && lmdb_wait(s, &p));
    if (err == OK)
        *revision = after;
    for (size_t i = 0; i < w.n && err == OK; i++) {
        const struct found *f = &w.found[i];
        struct journal_value v = { .key = str_of(f->key),
                                   .bytes = buf_str(&f->bytes),
                                   .is_deleted = f->is_deleted,
                                   .revision = f->revision };

        if (v.revision > *revision)
            *revision = v.revision;
        on_value(data, &v);
    }
    watch_clear(&w);
    return err;
}

// --- leases ---

struct lease {
    struct str holder; // borrowed; empty: nobody
    uint64_t taken_term, term;
    int64_t ends_at_ms;
    struct str boot_id; // borrowed; of the clock that ends it
};

static const struct member lease_members[] = {
    MEMBER(struct lease, holder),  MEMBER(struct lease, taken_term),
    MEMBER(struct lease, term),    MEMBER(struct lease, ends_at_ms),
    MEMBER(struct lease, boot_id),
};

// What is to be done with a lease.
struct order {
    const struct journal_lmdb_clock *clock;
    struct str name, holder;
    uint64_t term; // known before; and then the new one
};

static bool is_held(const struct lease *l, const struct journal_lmdb_clock *c)
{
    return l->holder.n_bytes > 0 && str_is(l->boot_id, c->boot_id) &&
           l->ends_at_ms > c->now_ms(c->data);
}

// Its holder may not know of the last terms: their answers were lost.
static bool is_own(const struct lease *l, const struct order *o)
{
    return is_held(l, o->clock) && o->term >= l->taken_term &&
           o->term <= l->term;
}

// All zeros: nobody ever had it.
static enum err find_lease(struct lmdb_space *s, MDB_txn *txn, struct str name,
                           struct lease *l)
{
    struct unpack u;
    enum err err = lmdb_get(s, txn, LMDB_LEASES, name, &u);

    *l = (struct lease){ 0 };
    if (err == ERR_NOTFOUND)
        return OK;
    if (err != OK)
        return err;
    members_unpack(&u, MEMBERS(lease_members), RECORD_FORMAT, l);
    return unpack_done(&u);
}

static enum err put_lease(struct lmdb_space *s, MDB_txn *txn, struct str name,
                          const struct lease *l)
{
    struct buf record;
    enum err err;

    buf_init(&record, 0);
    record_pack(&record, RECORD_FORMAT, MEMBERS(lease_members), l);
    err = lmdb_put(s, txn, LMDB_LEASES, name, &record, true);
    buf_clear(&record);
    return err;
}

// Lets the order's holder have it from now on.
static enum err renew(struct lmdb_space *s, MDB_txn *txn, struct order *o,
                      uint64_t taken_term)
{
    const struct journal_lmdb_clock *c = o->clock;
    struct lease l = { .holder = o->holder,
                       .ends_at_ms = c->now_ms(c->data) + JOURNAL_LEASE_MS,
                       .boot_id = str_of(c->boot_id) };
    enum err err = lmdb_next_number(s, txn, &l.term);

    if (err != OK)
        return err;
    l.taken_term = taken_term != 0 ? taken_term : l.term;
    o->term = l.term;
    return put_lease(s, txn, o->name, &l);
}

static enum err take_work(struct lmdb_space *s, MDB_txn *txn, void *data)
{
    struct order *o = data;
    struct lease l;
    enum err err = find_lease(s, txn, o->name, &l);

    if (err == OK && is_held(&l, o->clock))
        err = ERR_EXISTS;
    return err == OK ? renew(s, txn, o, 0) : err;
}

static enum err keep_work(struct lmdb_space *s, MDB_txn *txn, void *data)
{
    struct order *o = data;
    struct lease l;
    enum err err = find_lease(s, txn, o->name, &l);

    if (err == OK && (!is_own(&l, o) || !str_eq(l.holder, o->holder)))
        err = ERR_CONFLICT;
    return err == OK ? renew(s, txn, o, l.taken_term) : err;
}

static enum err give_work(struct lmdb_space *s, MDB_txn *txn, void *data)
{
    struct order *o = data;
    struct lease l;
    enum err err = find_lease(s, txn, o->name, &l);

    if (err == OK && !is_own(&l, o))
        err = ERR_CONFLICT;
    l.holder = STR_EMPTY;
    return err == OK ? put_lease(s, txn, o->name, &l) : err;
}

static enum err do_order(struct journal *j, lmdb_work_fn work, struct order *o)
{
    if (!journal_name_is_valid(o->name) || !journal_name_is_valid(o->holder))
        return ERR_INVALID;
    o->clock = &lmdb_handle_of(j)->clock;
    return lmdb_write(lmdb_handle_of(j)->space, work, o);
}

enum err lmdb_lease_take(struct journal *j, struct str name, struct str holder,
                         int64_t wait_ms, uint64_t *term)
{
    struct order o = { .name = name, .holder = holder };
    enum err err = do_order(j, take_work, &o);

    (void)wait_ms;
    if (err == OK)
        *term = o.term;
    return err;
}

enum err lmdb_lease_keep(struct journal *j, struct str name, struct str holder,
                         int64_t wait_ms, uint64_t *term)
{
    struct order o = { .name = name, .holder = holder, .term = *term };
    enum err err = do_order(j, keep_work, &o);

    (void)wait_ms;
    if (err == OK)
        *term = o.term;
    return err;
}

enum err lmdb_lease_give(struct journal *j, struct str name, uint64_t term,
                         int64_t wait_ms)
{
    // The term says whose it is.
    struct order o = { .name = name, .holder = STR("any"), .term = term };

    (void)wait_ms;
    return do_order(j, give_work, &o);
}

enum err lmdb_lease_get(struct journal *j, struct str name, int64_t wait_ms,
                        struct buf *holder, uint64_t *term)
{
    struct lmdb_handle *h = lmdb_handle_of(j);
    struct lease l;
    MDB_txn *txn;
    enum err err;

    (void)wait_ms;
    if (!journal_name_is_valid(name))
        return ERR_INVALID;
    err = lmdb_read(h->space, &txn);
    if (err != OK)
        return err;
    err = find_lease(h->space, txn, name, &l);
    if (err == OK && !is_held(&l, &h->clock))
        err = ERR_NOTFOUND;
    if (err == OK) {
        buf_put_str(holder, l.holder);
        *term = l.term;
    }
    mdb_txn_abort(txn);
    return err;
}
