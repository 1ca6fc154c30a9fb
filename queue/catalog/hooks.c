// SPDX-License-Identifier: MIT
// hooks.c — the hook store: by scope and name, by number, by revision.
//
// Every put gets the next revision, and the hook's row in `changes` moves there: a
// reader that continues after the last revision it saw meets each changed hook
// once, in its present form.

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/catalog/directory_key.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/catalog/stack_names.h"
#include "queue/lmdb/identity.h"

#define TOMBSTONE_MS       INT64_C(3600000)
#define TOMBSTONES_AT_ONCE 64

struct last { // the record "last" of meta
    uint64_t no, revision;
};

static char last_name[] = "last";

static enum err end(struct hook_store *hs, MDB_txn *txn, enum err err)
{
    if (err == OK)
        return store_commit(hs->store, txn);
    mdb_txn_abort(txn);
    return err;
}

// Loads the directory's key. Without it the store still works: texts that were
// sealed with it stay sealed.
static void load_key(struct hook_store *hs)
{
    MDB_txn *txn;
    enum err err = store_read(hs->store, &txn);

    if (err == OK) {
        err = directory_key_get(hs->store, txn, hs->keys, hs->key);
        store_read_end(hs->store);
    }
    if (err == ERR_NOTFOUND && !hs->is_view &&
        store_write(hs->store, &txn) == OK) {
        err = directory_key_make(hs->store, txn, hs->keys);
        if (err == OK)
            err = directory_key_get(hs->store, txn, hs->keys, hs->key);
        err = end(hs, txn, err);
    }
    hs->has_key = err == OK;
}

static enum err open_store(const struct queue_config *config, bool read_only,
                           struct hook_store **out)
{
    struct hook_store *hs = xcalloc(1, sizeof(*hs));
    char *dir = xasprintf("%s/hooks", config->data_dir);
    enum err err = store_open(dir, config->max_bytes, read_only, hooks_dbs,
                              HOOKS_DBS, &hs->store);

    free(dir);
    if (err == OK && !read_only)
        err = identity_check(config, 1, hs->store);
    if (err != OK) {
        free(hs);
        return err;
    }
    hs->is_view = read_only || config->keys == NULL;
    hs->keys = config->keys;
    hs->stacks = stacks_limit(config);
    if (hs->keys != NULL)
        load_key(hs);
    if (!hs->is_view && stacks_note_environments(hs) != OK) // a full disk
        log_warn("names of the hooks' environments cannot be stored", "");
    *out = hs;
    return OK;
}

enum err hook_store_open(const struct queue_config *config,
                         struct hook_store **out)
{
    return open_store(config, false, out);
}

enum err hook_store_view(const struct queue_config *config,
                         struct hook_store **out)
{
    return open_store(config, true, out);
}

// --- keys and records ---

static enum err get(struct hook_store *hs, MDB_txn *txn, unsigned db,
                    struct str name, MDB_val *val)
{
    MDB_val key = val_of(name);

    enum err err = store_err(
        hs->store, mdb_get(txn, hs->store->dbs[db], &key, val), "get hook");

    return err == OK && !store_value_is_in_place(hs->store, *val) ? ERR_CORRUPT
                                                                  : err;
}

static enum err put(struct hook_store *hs, MDB_txn *txn, unsigned db,
                    struct str name, struct str bytes)
{
    MDB_val key = val_of(name);
    MDB_val val = val_of(bytes);

    return store_err(hs->store, mdb_put(txn, hs->store->dbs[db], &key, &val, 0),
                     "put hook");
}

static enum err del(struct hook_store *hs, MDB_txn *txn, unsigned db,
                    struct str name)
{
    MDB_val key = val_of(name);

    return store_err(hs->store, mdb_del(txn, hs->store->dbs[db], &key, NULL),
                     "delete hook");
}

static struct str number(uint8_t bytes[8], uint64_t n)
{
    put_be64(bytes, n);
    return (struct str){ (const char *)bytes, 8 };
}

static enum err read_last(struct hook_store *hs, MDB_txn *txn,
                          struct last *last)
{
    MDB_val val;
    enum err err = get(hs, txn, HOOKS_META, str_of(last_name), &val);

    *last = (struct last){ 0 };
    if (err == ERR_NOTFOUND)
        return OK;
    if (err != OK)
        return err;
    if (val.mv_size != 16)
        return ERR_CORRUPT;
    last->no = get_be64(val.mv_data);
    last->revision = get_be64((const uint8_t *)val.mv_data + 8);
    return OK;
}

static enum err write_last(struct hook_store *hs, MDB_txn *txn,
                           const struct last *last)
{
    uint8_t bytes[16];

    put_be64(bytes, last->no);
    put_be64(bytes + 8, last->revision);
    return put(hs, txn, HOOKS_META, str_of(last_name),
               (struct str){ (const char *)bytes, sizeof(bytes) });
}

enum err hooks_raise_last(struct store *s, MDB_txn *txn, uint64_t at_least,
                          uint64_t *last_no)
{
    struct hook_store hs = { .store = s };
    struct last last;
    enum err err = read_last(&hs, txn, &last);

    *last_no = last.no;
    if (err != OK || last.no >= at_least)
        return err;
    last.no = at_least;
    return write_last(&hs, txn, &last);
}

enum err hooks_put_last(struct store *s, MDB_txn *txn, uint64_t no,
                        uint64_t revision)
{
    struct hook_store hs = { .store = s };
    const struct last last = { no, revision };

    return write_last(&hs, txn, &last);
}

static enum err put_change(struct hook_store *hs, MDB_txn *txn,
                           uint64_t revision, uint64_t no,
                           int64_t deleted_at_ms)
{
    uint8_t key[8];
    uint8_t bytes[16];

    put_be64(bytes, no);
    put_be64(bytes + 8, (uint64_t)deleted_at_ms);
    return put(hs, txn, HOOKS_CHANGES, number(key, revision),
               (struct str){ (const char *)bytes, sizeof(bytes) });
}

// --- writing ---

static enum err begin(struct hook_store *hs, MDB_txn **txn)
{
    return hs->is_view ? ERR_DENIED : store_write(hs->store, txn);
}

// Puts `h` under `key`, with the revision that it has.
static enum err put_hook(struct hook_store *hs, MDB_txn *txn, struct str key,
                         const struct hook *h)
{
    struct buf record;
    enum err err;

    buf_init(&record, 0);
    hook_encode(h, hs->keys, &record);
    err = store_err(hs->store,
                    store_put(hs->store, txn, HOOKS_HOOKS, val_of(key),
                              buf_str(&record), 0),
                    "put hook");
    buf_clear(&record);
    if (err != OK)
        return err;
    return put_change(hs, txn, h->revision, h->no, 0);
}

static enum err note_stack(struct hook_store *hs, MDB_txn *txn,
                           const struct hook_scope *scope)
{
    struct stack_name name = { .org = scope->org };

    switch (scope->level) {
    case LEVEL_STACK:
        name.project = scope->project;
        name.stack = scope->target;
        break;
    case LEVEL_ENVIRONMENT:
        name.project = scope->project;
        name.env = scope->target;
        break;
    case LEVEL_ORGANIZATION:
        break;
    case LEVEL_PROJECT:
        return OK;
    }
    return stacks_note(hs->store, txn, HOOKS_STACKS, &name, &hs->stacks,
                       &hs->seen);
}

static enum err create_in(struct hook_store *hs, MDB_txn *txn, struct str key,
                          struct hook *h)
{
    uint8_t no[8];
    struct last last;
    MDB_val val;
    enum err err = get(hs, txn, HOOKS_HOOKS, key, &val);

    if (err != ERR_NOTFOUND)
        return err == OK ? ERR_EXISTS : err;
    err = read_last(hs, txn, &last);
    if (err != OK)
        return err;
    h->no = ++last.no;
    h->revision = ++last.revision;
    err = orgs_give(hs->store, txn, h->scope.dialect, h->scope.org, &h->org_id);
    if (err == OK)
        err = put_hook(hs, txn, key, h);
    if (err == OK)
        err = put(hs, txn, HOOKS_BY_NO, number(no, h->no), key);
    if (err == OK)
        err = note_stack(hs, txn, &h->scope);
    if (err == OK)
        err = write_last(hs, txn, &last);
    return err;
}

enum err hook_create(struct hook_store *hs, struct hook *hook)
{
    struct buf key;
    MDB_txn *txn;
    enum err err;

    buf_init(&key, KEY_MAX_BYTES);
    err = hook_put_key(&hook->scope, hook->name, &key);
    if (err == OK)
        err = begin(hs, &txn);
    if (err == OK)
        err = end(hs, txn, create_in(hs, txn, buf_str(&key), hook));
    if (err != OK)
        stacks_forget(&hs->seen);
    buf_clear(&key);
    return err;
}

static enum err update_in(struct hook_store *hs, MDB_txn *txn, struct hook *h)
{
    struct hook_room room;
    struct hook old;
    struct last last;
    uint8_t no[8];
    uint8_t revision[8];
    MDB_val key;
    MDB_val val;
    enum err err = get(hs, txn, HOOKS_BY_NO, number(no, h->no), &key);

    if (err == OK)
        err = get(hs, txn, HOOKS_HOOKS, str_of_val(key), &val);
    if (err == OK) {
        err =
            hook_decode_at(store_place(hs->store, HOOKS_HOOKS, key),
                           str_of_val(key), str_of_val(val), NULL, &old, &room);
    }
    if (err == OK && old.revision != h->revision)
        err = ERR_CONFLICT;
    if (err == OK)
        err = del(hs, txn, HOOKS_CHANGES, number(revision, old.revision));
    if (err == OK)
        err = read_last(hs, txn, &last);
    if (err != OK)
        return err;
    h->revision = ++last.revision;
    // The key lies in a page that the deletion may have moved: fetch it again.
    err = get(hs, txn, HOOKS_BY_NO, number(no, h->no), &key);
    if (err == OK) {
        char copy[KEY_MAX_BYTES];

        memcpy(copy, key.mv_data, key.mv_size);
        err = put_hook(hs, txn, (struct str){ copy, key.mv_size }, h);
    }
    if (err == OK)
        err = write_last(hs, txn, &last);
    return err;
}

enum err hook_update(struct hook_store *hs, struct hook *hook)
{
    uint64_t revision = hook->revision;
    MDB_txn *txn;
    enum err err = begin(hs, &txn);

    if (err == OK)
        err = end(hs, txn, update_in(hs, txn, hook));
    if (err != OK)
        hook->revision = revision;
    return err;
}

static enum err drop_tombstones(struct hook_store *hs, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int64_t before_ms = clock_now_ms() - TOMBSTONE_MS;
    uint8_t at[8];
    int rc = mdb_cursor_open(txn, hs->store->dbs[HOOKS_CHANGES], &cursor);

    if (rc != 0)
        return store_err(hs->store, rc, "drop tombstones");
    // Rows of existing hooks lie between: the search goes round, some rows at a
    // time.
    key = val_at(at, sizeof(at));
    memcpy(at, hs->tombstones_at, sizeof(at));
    rc = store_seek(cursor, &key, &val);
    for (size_t i = 0; i < TOMBSTONES_AT_ONCE && rc == 0; i++) {
        int64_t deleted_at_ms =
            val.mv_size == 16
                ? (int64_t)get_be64((const uint8_t *)val.mv_data + 8)
                : 0;

        memcpy(at, key.mv_data, sizeof(at));
        if (deleted_at_ms > 0 && deleted_at_ms < before_ms) {
            rc = mdb_cursor_del(cursor, 0);
            key = val_at(at, sizeof(at));
            if (rc == 0)
                rc = store_seek(cursor, &key, &val);
        } else {
            rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND)
        memset(at, 0, sizeof(at));
    memcpy(hs->tombstones_at, at, sizeof(at));
    return rc == MDB_NOTFOUND ? OK
                              : store_err(hs->store, rc, "drop tombstones");
}

static enum err delete_in(struct hook_store *hs, MDB_txn *txn, struct str key)
{
    struct hook_room room;
    struct hook old;
    struct last last;
    uint8_t bytes[8];
    uint64_t no;
    uint64_t revision;
    MDB_val val;
    enum err err = get(hs, txn, HOOKS_HOOKS, key, &val);

    if (err == OK) {
        err = hook_decode_at(store_place(hs->store, HOOKS_HOOKS, val_of(key)),
                             key, str_of_val(val), NULL, &old, &room);
    }
    if (err != OK)
        return err;
    no = old.no; // before the page changes
    revision = old.revision;
    err = read_last(hs, txn, &last);
    if (err == OK)
        err = del(hs, txn, HOOKS_HOOKS, key);
    if (err == OK)
        err = del(hs, txn, HOOKS_BY_NO, number(bytes, no));
    if (err == OK)
        err = del(hs, txn, HOOKS_CHANGES, number(bytes, revision));
    if (err == OK)
        err = put_change(hs, txn, ++last.revision, no, clock_now_ms());
    if (err == OK)
        err = write_last(hs, txn, &last);
    if (err == OK)
        err = drop_tombstones(hs, txn);
    return err;
}

enum err hook_delete(struct hook_store *hs, const struct hook_scope *scope,
                     struct str name)
{
    struct buf key;
    MDB_txn *txn;
    enum err err;

    buf_init(&key, KEY_MAX_BYTES);
    err =
        hook_put_key(scope, name, &key) == OK ? begin(hs, &txn) : ERR_NOTFOUND;
    if (err == OK)
        err = end(hs, txn, delete_in(hs, txn, buf_str(&key)));
    buf_clear(&key);
    return err;
}

// --- reading ---

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
        err = get(hs, txn, HOOKS_HOOKS, buf_str(&key), &val);
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

enum err hook_get_by_no(struct hook_store *hs, uint64_t no, hook_visit visit,
                        void *data)
{
    struct hook_room room;
    struct hook h;
    uint8_t bytes[8];
    MDB_txn *txn;
    MDB_val key;
    MDB_val val;
    enum err err = store_read(hs->store, &txn);

    if (err != OK)
        return err;
    hook_room_init(&room);
    err = get(hs, txn, HOOKS_BY_NO, number(bytes, no), &key);
    if (err == OK)
        err = get(hs, txn, HOOKS_HOOKS, str_of_val(key), &val);
    if (err == OK) {
        err = hook_read(hs, txn, key, val, &h, &room);
    }
    if (err == OK && h.no != no)
        err = ERR_CORRUPT;
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
    uint8_t bytes[8];
    MDB_val key;
    MDB_val val;
    bool goes_on;
    enum err err = get(hs, txn, HOOKS_BY_NO, number(bytes, no), &key);

    hook_room_init(&room);
    if (err == OK)
        err = get(hs, txn, HOOKS_HOOKS, str_of_val(key), &val);
    if (err == OK) {
        err = hook_read(hs, txn, key, val, &h, &room);
    }
    if (err == OK && h.no != no)
        err = ERR_CORRUPT;
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
    rc = mdb_cursor_open(txn, hs->store->dbs[HOOKS_CHANGES], &cursor);
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
