// SPDX-License-Identifier: MIT
// hook_scan.c — the hooks of a scope, or of an organization, in the order of
// their keys.

#include <string.h>

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

void hook_place_put(const struct hook *hook, struct buf *out)
{
    struct buf key;

    buf_init(&key, KEY_MAX_BYTES);
    if (hook_put_key(&hook->scope, hook->name, &key) == OK)
        buf_put_str(out, buf_str(&key));
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
    err = store_err(hs->store,
                    mdb_cursor_open(txn, hs->store->dbs[HOOKS_HOOKS], &cursor),
                    "list hooks");
    buf_init(&prefix, KEY_MAX_BYTES);
    for (int level = LEVEL_ORGANIZATION;
         level <= LEVEL_PROJECT && err == OK && listing.goes_on; level++) {
        struct str from;

        buf_reset(&prefix);
        buf_putc(&prefix, (char)dialect);
        buf_putc(&prefix, (char)level);
        buf_put_str(&prefix, org);
        buf_putc(&prefix, '\0');
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
            mdb_cursor_open(txn, hs->store->dbs[HOOKS_HOOKS], &cursor),
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
