// SPDX-License-Identifier: MIT
// hooks.c — the hook store: opening it, and writing hooks.
//
// Every put gets the next revision, and the hook's row in `changes` moves there: a
// reader that continues after the last revision it saw meets each changed hook
// once, in its present form.

#include <assert.h>
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
#include "queue/chain/chain_link.h"
#include "queue/lmdb/identity.h"
#include "queue/lmdb/row_changes.h"

#define TOMBSTONE_MS       INT64_C(3600000)
#define TOMBSTONES_AT_ONCE 64

struct last { // the record "last" of meta
    uint64_t no, revision;
};

static char last_name[] = "last";

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
    if (err == ERR_NOTFOUND && hs->writer != NULL &&
        store_write(hs->store, &txn) == OK) {
        err = directory_key_make(hs->store, txn, hs->keys);
        if (err == OK)
            err = directory_key_get(hs->store, txn, hs->keys, hs->key);
        err = store_write_end(hs->store, txn, err);
    }
    hs->has_key = err == OK;
}

static void on_undone(void *data)
{
    struct hook_store *hs = data;

    stacks_forget(&hs->seen);
}

// `loop`: NULL for a view.
static enum err open_store(const struct queue_config *config,
                           struct uv_loop_s *loop, struct hook_store **out)
{
    struct hook_store *hs = xcalloc(1, sizeof(*hs));
    char *dir = xasprintf("%s/hooks", config->data_dir);
    enum err err = store_open(dir, config->max_bytes, loop == NULL, hooks_dbs,
                              HOOKS_DBS, &hs->store);

    free(dir);
    if (err == OK && loop != NULL)
        err = identity_check(config, 1, hs->store);
    if (err == OK && loop != NULL)
        err = chain_link_attach(config, 1, hs->store);
    if (err != OK) {
        free(hs);
        return err;
    }
    if (loop != NULL)
        hs->writer = catalog_writer_new(loop, hs->store, on_undone, hs);
    hs->is_denied = config->keys == NULL;
    hs->keys = config->keys;
    hs->stacks = stacks_limit(config);
    if (hs->keys != NULL)
        load_key(hs);
    if (loop != NULL && !hs->is_denied &&
        stacks_note_environments(hs) != OK) // a full disk
        log_warn("names of the hooks' environments cannot be stored", "");
    *out = hs;
    return OK;
}

enum err hook_store_open(const struct queue_config *config,
                         struct uv_loop_s *loop, struct hook_store **out)
{
    return open_store(config, loop, out);
}

enum err hook_store_view(const struct queue_config *config,
                         struct hook_store **out)
{
    return open_store(config, NULL, out);
}

// --- keys and records ---

static enum err put(struct hook_store *hs, MDB_txn *txn, unsigned db,
                    struct str name, struct str bytes)
{
    MDB_val key = val_of(name);
    MDB_val val = val_of(bytes);

    return store_err(hs->store,
                     row_put(txn, store_db(hs->store, db), &key, &val, 0),
                     "put hook");
}

static enum err del(struct hook_store *hs, MDB_txn *txn, unsigned db,
                    struct str name)
{
    MDB_val key = val_of(name);

    return store_err(hs->store, row_del(txn, store_db(hs->store, db), &key),
                     "delete hook");
}

static enum err read_last(struct hook_store *hs, MDB_txn *txn,
                          struct last *last)
{
    MDB_val val;
    enum err err = hook_row(hs, txn, HOOKS_META, str_of(last_name), &val);

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
    return put(hs, txn, HOOKS_CHANGES, hook_number(key, revision),
               (struct str){ (const char *)bytes, sizeof(bytes) });
}

// --- writing ---

// A write of a hook.
struct hook_write {
    struct catalog_write base;
    struct hook_store *hs;
    struct hook *hook;       // hook_create(), hook_update(): owned
    struct hook_scope scope; // hook_delete()
    struct str name;
    uint64_t revision; // hook_update(), hook_delete(): the expected one
};

static void clear_write(struct catalog_write *base)
{
    hook_free(((struct hook_write *)base)->hook);
}

static struct hook_write *write_new(struct hook_store *hs, catalog_apply apply,
                                    const struct hook *hook,
                                    const struct catalog_caller *caller)
{
    struct hook_write *w = catalog_write_new(sizeof(*w), apply, caller);

    assert(hs->writer != NULL);
    w->base.clear = clear_write;
    w->hs = hs;
    if (hook != NULL)
        w->hook = hook_copy(hook);
    return w;
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
    bool is_leaving = false;
    enum err err = orgs_is_leaving(hs->store, txn, h->scope.org, &is_leaving);

    if (err != OK || is_leaving)
        return err == OK ? ERR_BUSY : err;
    err = hook_row(hs, txn, HOOKS_HOOKS, key, &val);
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
        err = put(hs, txn, HOOKS_BY_NO, hook_number(no, h->no), key);
    if (err == OK)
        err = note_stack(hs, txn, &h->scope);
    if (err == OK)
        err = write_last(hs, txn, &last);
    return err;
}

static enum err apply_create(struct catalog_write *base, MDB_txn *txn)
{
    struct hook_write *w = (struct hook_write *)base;
    struct buf key;
    enum err err = w->hs->is_denied ? ERR_DENIED : OK;

    buf_init(&key, KEY_MAX_BYTES);
    if (err == OK)
        err = hook_put_key(&w->hook->scope, w->hook->name, &key);
    if (err == OK)
        err = create_in(w->hs, txn, buf_str(&key), w->hook);
    base->result.hook = w->hook;
    buf_clear(&key);
    return err;
}

void hook_create(struct hook_store *hs, const struct hook *hook,
                 const struct catalog_caller *caller)
{
    struct hook_write *w = write_new(hs, apply_create, hook, caller);

    catalog_writer_add(hs->writer, &w->base);
}

static enum err update_in(struct hook_store *hs, MDB_txn *txn, struct hook *h,
                          uint64_t expected)
{
    struct hook_room room;
    struct hook old;
    struct last last;
    uint8_t no[8];
    uint8_t revision[8];
    MDB_val key;
    MDB_val val;
    enum err err = hook_row(hs, txn, HOOKS_BY_NO, hook_number(no, h->no), &key);

    if (err == OK)
        err = hook_row(hs, txn, HOOKS_HOOKS, str_of_val(key), &val);
    if (err == OK) {
        err =
            hook_decode_at(store_place(hs->store, HOOKS_HOOKS, key),
                           str_of_val(key), str_of_val(val), NULL, &old, &room);
    }
    if (err == OK && old.revision != expected)
        err = ERR_CONFLICT;
    if (err == OK)
        err = del(hs, txn, HOOKS_CHANGES, hook_number(revision, old.revision));
    if (err == OK)
        err = read_last(hs, txn, &last);
    if (err != OK)
        return err;
    h->revision = ++last.revision;
    // The key lies in a page that the deletion may have moved: fetch it again.
    err = hook_row(hs, txn, HOOKS_BY_NO, hook_number(no, h->no), &key);
    if (err == OK) {
        char copy[KEY_MAX_BYTES];

        memcpy(copy, key.mv_data, key.mv_size);
        err = put_hook(hs, txn, (struct str){ copy, key.mv_size }, h);
    }
    if (err == OK)
        err = write_last(hs, txn, &last);
    return err;
}

static enum err apply_update(struct catalog_write *base, MDB_txn *txn)
{
    struct hook_write *w = (struct hook_write *)base;

    base->result.hook = w->hook;
    return w->hs->is_denied ? ERR_DENIED
                            : update_in(w->hs, txn, w->hook, w->revision);
}

void hook_update(struct hook_store *hs, const struct hook *hook,
                 const struct catalog_caller *caller)
{
    struct hook_write *w = write_new(hs, apply_update, hook, caller);

    w->revision = hook->revision;
    catalog_writer_add(hs->writer, &w->base);
}

static enum err drop_tombstones(struct hook_store *hs, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int64_t before_ms = clock_now_ms() - TOMBSTONE_MS;
    uint8_t at[8];
    int rc = mdb_cursor_open(txn, store_db(hs->store, HOOKS_CHANGES), &cursor);

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
            rc = row_cursor_del(cursor);
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

static enum err delete_in(struct hook_store *hs, MDB_txn *txn, struct str key,
                          uint64_t expected)
{
    struct hook_room room;
    struct hook old;
    struct last last;
    uint8_t bytes[8];
    uint64_t no;
    uint64_t revision;
    MDB_val val;
    enum err err = hook_row(hs, txn, HOOKS_HOOKS, key, &val);

    if (err == OK) {
        err = hook_decode_at(store_place(hs->store, HOOKS_HOOKS, val_of(key)),
                             key, str_of_val(val), NULL, &old, &room);
    }
    if (err == OK && expected != 0 && old.revision != expected)
        err = ERR_CONFLICT;
    if (err != OK)
        return err;
    no = old.no; // before the page changes
    revision = old.revision;
    err = read_last(hs, txn, &last);
    if (err == OK)
        err = del(hs, txn, HOOKS_HOOKS, key);
    if (err == OK)
        err = del(hs, txn, HOOKS_BY_NO, hook_number(bytes, no));
    if (err == OK)
        err = del(hs, txn, HOOKS_CHANGES, hook_number(bytes, revision));
    if (err == OK)
        err = put_change(hs, txn, ++last.revision, no, clock_now_ms());
    if (err == OK)
        err = write_last(hs, txn, &last);
    if (err == OK)
        err = drop_tombstones(hs, txn);
    return err;
}

// The number of the hook under this key, by the table of numbers. ERR_NOTFOUND.
static enum err number_of(struct hook_store *hs, MDB_txn *txn, struct str key,
                          uint64_t *no)
{
    MDB_cursor *cursor;
    MDB_val k;
    MDB_val v;
    bool is_found = false;
    int rc = mdb_cursor_open(txn, store_db(hs->store, HOOKS_BY_NO), &cursor);

    if (rc != 0)
        return store_err(hs->store, rc, "find hook");
    while (!is_found && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        is_found = k.mv_size == 8 && str_eq(str_of_val(v), key);
        if (is_found)
            *no = get_be64(k.mv_data);
    }
    mdb_cursor_close(cursor);
    return store_err(hs->store, rc, "find hook");
}

// Removes the row by which readers learn of the hook's last change.
static enum err forget_changes(struct hook_store *hs, MDB_txn *txn, uint64_t no)
{
    MDB_cursor *cursor;
    MDB_val k;
    MDB_val v;
    int rc = mdb_cursor_open(txn, store_db(hs->store, HOOKS_CHANGES), &cursor);

    if (rc != 0)
        return store_err(hs->store, rc, "delete hook");
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && (v.mv_size != 16 || get_be64(v.mv_data) != no))
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    if (rc == 0) // a hook has one row at most
        rc = row_cursor_del(cursor);
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(hs->store, rc, "delete hook");
}

// Deletes a hook whose record cannot be read: the other tables tell its number.
static enum err delete_damaged(struct hook_store *hs, MDB_txn *txn,
                               struct str key)
{
    uint8_t bytes[8];
    struct last last;
    uint64_t no = 0;
    enum err err = number_of(hs, txn, key, &no);

    if (err == ERR_NOTFOUND)
        return del(hs, txn, HOOKS_HOOKS, key);
    if (err == OK)
        err = forget_changes(hs, txn, no);
    if (err == OK)
        err = read_last(hs, txn, &last);
    if (err == OK)
        err = del(hs, txn, HOOKS_HOOKS, key);
    if (err == OK)
        err = del(hs, txn, HOOKS_BY_NO, hook_number(bytes, no));
    if (err == OK)
        err = put_change(hs, txn, ++last.revision, no, clock_now_ms());
    return err == OK ? write_last(hs, txn, &last) : err;
}

enum err hook_delete_at(struct hook_store *hs, MDB_txn *txn, struct str key)
{
    enum err err = delete_in(hs, txn, key, 0);

    return err == ERR_CORRUPT ? delete_damaged(hs, txn, key) : err;
}

static enum err apply_delete(struct catalog_write *base, MDB_txn *txn)
{
    struct hook_write *w = (struct hook_write *)base;
    struct buf key;
    enum err err = w->hs->is_denied ? ERR_DENIED : OK;

    buf_init(&key, KEY_MAX_BYTES);
    if (err == OK && hook_put_key(&w->scope, w->name, &key) != OK)
        err = ERR_NOTFOUND;
    if (err == OK)
        err = delete_in(w->hs, txn, buf_str(&key), w->revision);
    buf_clear(&key);
    return err;
}

void hook_delete(struct hook_store *hs, const struct hook_scope *scope,
                 struct str name, uint64_t revision,
                 const struct catalog_caller *caller)
{
    struct hook_write *w = write_new(hs, apply_delete, NULL, caller);
    struct arena *arena = &w->base.arena;

    w->scope = *scope;
    w->scope.org = arena_copy(arena, scope->org);
    w->scope.project = arena_copy(arena, scope->project);
    w->scope.target = arena_copy(arena, scope->target);
    w->name = arena_copy(arena, name);
    w->revision = revision;
    catalog_writer_add(hs->writer, &w->base);
}
