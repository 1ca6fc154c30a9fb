// SPDX-License-Identifier: MIT
// hook_scan.c — reading hooks: one by its name or number, those of a scope or of an
// organization in the order of their keys, those that changed in the order of their
// revisions.

#include <string.h>

#include "common/base/codec.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"

enum err hook_put_scope(const struct hook_scope *scope, struct buf *key)
{
    buf_putc(key, (char)scope->dialect);
    buf_putc(key, (char)scope->level);
    buf_put_str(key, scope->org);
    buf_putc(key, '\0');
    buf_put_str(key, scope->project);
    buf_putc(key, '\0');
    buf_put_str(key, scope->target);
    buf_putc(key, '\0');
    return key->overflow ? ERR_INVALID : OK;
}

enum err hook_put_key(const struct hook_scope *scope, struct str name,
                      struct buf *key)
{
    enum err err = hook_put_scope(scope, key);

    buf_put_str(key, name);
    return err != OK || key->overflow ? ERR_INVALID : OK;
}

enum err hook_row(struct hook_store *hs, MDB_txn *txn, unsigned db,
                  struct str name, MDB_val *val)
{
    MDB_val key = val_of(name);

    enum err err =
        store_err(hs->store, mdb_get(txn, store_db(hs->store, db), &key, val),
                  "get hook");

    return err == OK && !store_value_is_in_place(hs->store, *val) ? ERR_CORRUPT
                                                                  : err;
}

static enum err list_from(struct hook_store *hs, MDB_cursor *cursor,
                          struct str prefix, struct str from, hook_visit visit,
                          void *data)
{
    struct hook_room room;
    MDB_val key = val_of(from);
    MDB_val val;
    bool goes_on = true;
    int rc = store_seek(cursor, &key, &val);

    hook_room_init(&room);
    while (rc == 0 && goes_on && str_starts(str_of_val(key), prefix)) {
        struct hook h;

        // The first row is the hook that the caller got last; damaged ones are left
        // out.
        if (!str_eq(str_of_val(key), from) &&
            hook_read(hs, mdb_cursor_txn(cursor), key, val, &h, &room) == OK)
            goes_on = visit(data, &h);
        rc = store_next(cursor, &key, &val);
    }
    hook_room_clear(&room);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(hs->store, rc, "list hooks");
}

enum err hook_decode_at(uint32_t place, struct str key, struct str bytes,
                        struct keyring *keys, struct hook *out,
                        struct hook_room *room)
{
    enum err err = hook_decode(place, bytes, keys, out, room);
    struct buf own;

    if (err != OK)
        return err;
    buf_init(&own, KEY_MAX_BYTES);
    if (hook_put_key(&out->scope, out->name, &own) != OK ||
        !str_eq(buf_str(&own), key))
        err = ERR_CORRUPT;
    buf_clear(&own);
    return err;
}

enum err hook_read(struct hook_store *hs, MDB_txn *txn, MDB_val key,
                   MDB_val val, struct hook *out, struct hook_room *room)
{
    enum err err =
        hook_decode_at(store_place(hs->store, HOOKS_HOOKS, key),
                       str_of_val(key), str_of_val(val), hs->keys, out, room);

    if (err == OK) {
        err = orgs_find(hs->store, txn, out->scope.dialect, out->scope.org,
                        &out->org_id);
        err = err == ERR_NOTFOUND ? ERR_CORRUPT : err;
    }
    return err;
}

enum err org_number(struct hook_store *hs, enum dialect dialect, struct str org,
                    uint64_t *no)
{
    MDB_txn *txn;
    enum err err = store_read(hs->store, &txn);

    *no = 0;
    if (err != OK)
        return err;
    err = orgs_find(hs->store, txn, dialect, org, no);
    store_read_end(hs->store);
    return err == ERR_NOTFOUND ? OK : err;
}

enum err org_of_number(struct hook_store *hs, uint64_t no, struct org_name *out)
{
    uint8_t bytes[8];
    MDB_val key = val_at(bytes, sizeof(bytes));
    struct str name;
    MDB_val val;
    MDB_txn *txn;
    enum err err = store_read(hs->store, &txn);

    if (err != OK)
        return err;
    put_be64(bytes, no);
    err = store_err(
        hs->store, mdb_get(txn, store_db(hs->store, HOOKS_ORG_NOS), &key, &val),
        "get organization");
    if (err == OK &&
        (!orgs_decode(HOOKS_ORG_NOS, store_place(hs->store, HOOKS_ORG_NOS, key),
                      key, val, &name, &no) ||
         name.n_bytes < 2 || name.n_bytes > sizeof(out->bytes)))
        err = ERR_CORRUPT;
    if (err == OK) { // dialect and text
        out->dialect = (enum dialect)name.at[0];
        out->n_bytes = name.n_bytes - 1;
        memcpy(out->bytes, name.at + 1, out->n_bytes);
    }
    store_read_end(hs->store);
    return err;
}

enum err org_each(struct hook_store *hs, enum dialect dialect, struct str after,
                  org_visit visit, void *data)
{
    MDB_cursor *cursor = NULL;
    bool goes_on = true;
    struct buf from;
    MDB_val key, val;
    MDB_txn *txn;
    int rc;
    enum err err = store_read(hs->store, &txn);

    if (err != OK)
        return err;
    buf_init(&from, KEY_MAX_BYTES);
    buf_putc(&from, (char)dialect);
    buf_put_str(&from, after);
    rc = mdb_cursor_open(txn, store_db(hs->store, HOOKS_ORGS), &cursor);
    key = val_of(buf_str(&from));
    if (rc == 0)
        rc = store_seek(cursor, &key, &val);
    while (rc == 0 && goes_on && key.mv_size > 0 &&
           *(const char *)key.mv_data == (char)dialect) {
        if (!str_eq(str_of_val(key), buf_str(&from))) {
            const struct str name = str_of_val(key);

            goes_on =
                visit(data, (struct str){ name.at + 1, name.n_bytes - 1 });
        }
        if (goes_on)
            rc = store_next(cursor, &key, &val);
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    err = rc == 0 || rc == MDB_NOTFOUND
              ? OK
              : store_err(hs->store, rc, "list organizations");
    store_read_end(hs->store);
    buf_clear(&from);
    return err;
}

void hook_cursor_put(const struct hook *hook, struct buf *out)
{
    struct buf key;

    buf_init(&key, KEY_MAX_BYTES);
    if (hook_put_key(&hook->scope, hook->name, &key) == OK)
        buf_put_str(out, buf_str(&key));
    buf_clear(&key);
}

void hook_cursor_put_level(enum dialect dialect, struct str org,
                           enum hook_level level, struct buf *out)
{
    buf_putc(out, (char)dialect);
    buf_putc(out, (char)level);
    buf_put_str(out, org);
    buf_putc(out, '\0');
}

void hook_cursor_put_end(const struct hook_scope *scope, struct buf *out)
{
    struct buf key;

    buf_init(&key, KEY_MAX_BYTES);
    if (hook_put_scope(scope, &key) == OK) {
        key.at[key.n_bytes - 1] =
            '\1'; // after the NUL, before any other target
        buf_put_str(out, buf_str(&key));
    }
    buf_clear(&key);
}

struct listing {
    hook_visit visit;
    void *data;
    bool goes_on;
};

static bool on_listed(void *data, const struct hook *hook)
{
    struct listing *l = data;

    l->goes_on = l->visit(l->data, hook);
    return l->goes_on;
}

enum err hook_list_org(struct hook_store *hs, enum dialect dialect,
                       struct str org, struct str after, hook_visit visit,
                       void *data)
{
    struct listing listing = { visit, data, true };
    struct buf prefix;
    MDB_cursor *cursor = NULL;
    MDB_txn *txn;
    enum err err = store_read(hs->store, &txn);

    if (err != OK)
        return err;
    err = store_err(
        hs->store,
        mdb_cursor_open(txn, store_db(hs->store, HOOKS_HOOKS), &cursor),
        "list hooks");
    buf_init(&prefix, KEY_MAX_BYTES);
    for (int level = LEVEL_ORGANIZATION;
         level <= LEVEL_PROJECT && err == OK && listing.goes_on; level++) {
        struct str from;

        buf_reset(&prefix);
        hook_cursor_put_level(dialect, org, (enum hook_level)level, &prefix);
        from = buf_str(&prefix);
        if (after.n_bytes > 1 && level < after.at[1])
            continue; // hooks of this level are listed already
        if (after.n_bytes > 1 && level == after.at[1])
            from = after;
        err =
            list_from(hs, cursor, buf_str(&prefix), from, on_listed, &listing);
    }
    buf_clear(&prefix);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    store_read_end(hs->store);
    return err;
}

// Adds those whose keys begin with `prefix`.
static enum err add_numbers(struct hook_store *hs, MDB_cursor *cursor,
                            struct str prefix, struct org_hook_numbers *out)
{
    struct hook_room room;
    MDB_val key = val_of(prefix);
    MDB_val val;
    int rc = store_seek(cursor, &key, &val);

    hook_room_init(&room);
    while (rc == 0 && out->n < out->max &&
           str_starts(str_of_val(key), prefix)) {
        struct hook h;

        if (hook_read(hs, mdb_cursor_txn(cursor), key, val, &h, &room) == OK) {
            out->at[out->n++] = h.no;
        } else {
            out->is_whole = false;
        }
        rc = store_next(cursor, &key, &val);
    }
    out->is_whole = out->is_whole && out->n < out->max;
    hook_room_clear(&room);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(hs->store, rc, "list hooks");
}

enum err hook_list_numbers(struct hook_store *hs, enum dialect dialect,
                           struct str org, struct org_hook_numbers *out)
{
    MDB_cursor *cursor = NULL;
    struct buf prefix;
    MDB_txn *txn;
    enum err err = store_read(hs->store, &txn);

    out->n = 0;
    out->is_whole = true;
    if (err != OK)
        return err;
    buf_init(&prefix, KEY_MAX_BYTES);
    err = store_err(
        hs->store,
        mdb_cursor_open(txn, store_db(hs->store, HOOKS_HOOKS), &cursor),
        "list hooks");
    for (int level = LEVEL_ORGANIZATION; level <= LEVEL_PROJECT && err == OK;
         level++) {
        buf_reset(&prefix);
        hook_cursor_put_level(dialect, org, (enum hook_level)level, &prefix);
        err = add_numbers(hs, cursor, buf_str(&prefix), out);
    }
    buf_clear(&prefix);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    store_read_end(hs->store);
    return err;
}

enum err hook_list(struct hook_store *hs, const struct hook_scope *scope,
                   struct str after_name, hook_visit visit, void *data)
{
    struct buf key;
    size_t n_prefix;
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err;

    buf_init(&key, KEY_MAX_BYTES);
    if (hook_put_scope(scope, &key) != OK) {
        buf_clear(&key);
        return OK; // no hook can have such a key
    }
    n_prefix = key.n_bytes;
    buf_put_str(&key, after_name);
    err = store_read(hs->store, &txn);
    if (err == OK) {
        err = store_err(
            hs->store,
            mdb_cursor_open(txn, store_db(hs->store, HOOKS_HOOKS), &cursor),
            "list hooks");
        if (err == OK) {
            err = list_from(hs, cursor, (struct str){ key.at, n_prefix },
                            buf_str(&key), visit, data);
            mdb_cursor_close(cursor);
        }
        store_read_end(hs->store);
    }
    buf_clear(&key);
    return err;
}

// --- one hook, changed hooks ---

enum err hook_get(struct hook_store *hs, const struct hook_scope *scope,
                  struct str name, hook_visit visit, void *data)
{
    struct hook_room room;
    struct hook h;
    struct buf key;
    MDB_txn *txn;
    MDB_val val;
    enum err err;

    hook_room_init(&room);
    buf_init(&key, KEY_MAX_BYTES);
    err = hook_put_key(scope, name, &key) == OK ? store_read(hs->store, &txn)
                                                : ERR_NOTFOUND;
    if (err == OK) {
        err = hook_row(hs, txn, HOOKS_HOOKS, buf_str(&key), &val);
        if (err == OK) {
            err = hook_read(hs, txn, val_of(buf_str(&key)), val, &h, &room);
        }
        if (err == OK)
            visit(data, &h);
        store_read_end(hs->store);
    }
    buf_clear(&key);
    hook_room_clear(&room);
    return err;
}

// Reads the hook with this number. ERR_CORRUPT: another hook's record lies there.
static enum err read_by_no(struct hook_store *hs, MDB_txn *txn, uint64_t no,
                           struct hook *h, struct hook_room *room)
{
    uint8_t bytes[8];
    MDB_val key;
    MDB_val val;
    enum err err = hook_row(hs, txn, HOOKS_BY_NO, hook_number(bytes, no), &key);

    if (err == OK)
        err = hook_row(hs, txn, HOOKS_HOOKS, str_of_val(key), &val);
    if (err == OK)
        err = hook_read(hs, txn, key, val, h, room);
    return err == OK && h->no != no ? ERR_CORRUPT : err;
}

enum err hook_get_by_no(struct hook_store *hs, uint64_t no, hook_visit visit,
                        void *data)
{
    struct hook_room room;
    struct hook h;
    MDB_txn *txn;
    enum err err = store_read(hs->store, &txn);

    if (err != OK)
        return err;
    hook_room_init(&room);
    err = read_by_no(hs, txn, no, &h, &room);
    if (err == OK)
        visit(data, &h);
    store_read_end(hs->store);
    hook_room_clear(&room);
    return err;
}

static bool visit_change(struct hook_store *hs, MDB_txn *txn, uint64_t no,
                         uint64_t revision, hook_visit visit, void *data)
{
    struct hook_room room;
    struct hook h = { 0 };
    bool goes_on;
    enum err err;

    hook_room_init(&room);
    err = read_by_no(hs, txn, no, &h, &room);
    if (err != OK) {
        h = (struct hook){ .no = no,
                           .revision = revision,
                           .is_damaged = err != ERR_NOTFOUND };
    }
    goes_on = visit(data, &h);
    hook_room_clear(&room);
    return goes_on;
}

enum err hook_watch(struct hook_store *hs, uint64_t after, hook_visit visit,
                    void *data, uint64_t *last)
{
    uint8_t from[8] = { 0 };
    MDB_cursor *cursor;
    MDB_txn *txn;
    MDB_val key = val_at(from, sizeof(from));
    MDB_val val;
    bool goes_on = true;
    enum err err = store_read(hs->store, &txn);
    int rc;

    *last = after;
    if (err != OK)
        return err;
    put_be64(from, after + 1);
    rc = mdb_cursor_open(txn, store_db(hs->store, HOOKS_CHANGES), &cursor);
    if (rc != 0) {
        store_read_end(hs->store);
        return store_err(hs->store, rc, "watch hooks");
    }
    rc = store_seek(cursor, &key, &val);
    while (rc == 0 && goes_on && key.mv_size == 8 && val.mv_size == 16) {
        *last = get_be64(key.mv_data);
        goes_on =
            visit_change(hs, txn, get_be64(val.mv_data), *last, visit, data);
        rc = store_next(cursor, &key, &val);
    }
    mdb_cursor_close(cursor);
    store_read_end(hs->store);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(hs->store, rc, "watch hooks");
}

// --- visitors ---

bool hook_visit_no(void *no, const struct hook *hook)
{
    *(uint64_t *)no = hook->no;
    return false;
}

bool hook_visit_copy(void *copy, const struct hook *hook)
{
    *(struct hook **)copy = hook_copy(hook);
    return false;
}
