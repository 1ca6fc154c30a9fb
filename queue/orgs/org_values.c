// SPDX-License-Identifier: MIT
// org_values.c — reading and writing the values of organizations.

#include "queue/orgs/org_values.h"

#include <assert.h>

#include "common/base/codec.h"
#include "common/base/text.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/lmdb/row_changes.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/records/schema.h"

// --- reading ---

enum err org_value_get(struct hook_store *hs, enum org_value_use use,
                       uint64_t org_no, struct str name, org_value_visit visit,
                       void *data)
{
    struct store *s = hook_store_env(hs);
    uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES];
    struct org_value value;
    struct buf plain;
    MDB_txn *txn;
    MDB_val key;
    MDB_val val;
    enum err err;

    if (name.n_bytes > ORG_VALUE_NAME_MAX_BYTES)
        return ERR_NOTFOUND;
    err = store_read(s, &txn);
    if (err != OK)
        return err;
    buf_init(&plain, 0);
    key = org_value_key(use, org_no, name, bytes);
    err = store_err(s, mdb_get(txn, store_db(s, HOOKS_META), &key, &val),
                    "get value");
    if (err == OK) {
        err = org_value_decode(store_place(s, HOOKS_META, key), key, val,
                               hook_store_keys(hs), &plain, &value);
    }
    if (err == OK)
        (void)visit(data, &value);
    store_read_end(s);
    crypto_wipe_buf(&plain);
    return err;
}

// What a scan of rows looks for.
struct scan {
    struct store *s;
    struct keyring *keys; // NULL: sealed values stay closed
    struct str from;      // the prefix of their keys
    struct str after;     // a whole key, which is passed over
    org_value_visit visit;
    void *data;
};

static enum err scan_rows(const struct scan *scan, MDB_cursor *cursor)
{
    MDB_val key = val_of(scan->after.n_bytes > 0 ? scan->after : scan->from);
    struct buf plain;
    bool goes_on = true;
    bool is_damaged = false;
    MDB_val val;
    int rc = store_seek(cursor, &key, &val);

    if (rc == 0 && str_eq(str_of_val(key), scan->after))
        rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
    buf_init(&plain, 0);
    while (rc == 0 && goes_on && str_starts(str_of_val(key), scan->from)) {
        struct org_value value;

        if (org_value_decode(store_place(scan->s, HOOKS_META, key), key, val,
                             scan->keys, &plain, &value) == OK) {
            goes_on = scan->visit(scan->data, &value);
        } else {
            is_damaged = true;
        }
        rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
    }
    crypto_wipe_buf(&plain);
    if (is_damaged)
        log_warn("a damaged value of an organization is skipped", "");
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(scan->s, rc, "list values");
}

static enum err scan_in(const struct scan *scan, MDB_txn *txn)
{
    MDB_cursor *cursor;
    enum err err = store_err(
        scan->s, mdb_cursor_open(txn, store_db(scan->s, HOOKS_META), &cursor),
        "list values");

    if (err == OK) {
        err = scan_rows(scan, cursor);
        mdb_cursor_close(cursor);
    }
    return err;
}

enum err org_value_each(struct hook_store *hs, enum org_value_use use,
                        uint64_t org_no, struct str after,
                        org_value_visit visit, void *data)
{
    struct store *s = hook_store_env(hs);
    uint8_t from[ORG_VALUE_KEY_MAX_BYTES], last[ORG_VALUE_KEY_MAX_BYTES];
    struct scan scan = {
        .s = s, .keys = hook_store_keys(hs), .visit = visit, .data = data
    };
    MDB_txn *txn;
    enum err err;

    if (after.n_bytes > ORG_VALUE_NAME_MAX_BYTES)
        return ERR_INVALID;
    scan.from = str_of_val(org_value_key(use, org_no, STR_EMPTY, from));
    if (org_no == 0) {
        scan.from.n_bytes -= sizeof(org_no); // the number ends the key
    } else if (after.n_bytes > 0) {
        scan.after = str_of_val(org_value_key(use, org_no, after, last));
    }
    err = store_read(s, &txn);
    if (err != OK)
        return err;
    err = scan_in(&scan, txn);
    store_read_end(s);
    return err;
}

enum err org_values_revision(struct hook_store *hs, enum org_value_use use,
                             uint64_t *out)
{
    MDB_txn *txn;
    enum err err = store_read(hook_store_env(hs), &txn);

    *out = 0;
    if (err != OK)
        return err;
    err = org_values_count(hook_store_env(hs), txn, use, out);
    store_read_end(hook_store_env(hs));
    return err;
}

// --- writing ---

struct value_write {
    struct catalog_write base;
    struct hook_store *hs;
    struct org_value_put put; // its texts are in the arena, its bytes in:
    struct buf bytes;
    uint64_t org_no; // org_value_delete()
};

static struct value_write *write_new(struct hook_store *hs, catalog_apply apply,
                                     const struct catalog_caller *caller)
{
    struct value_write *w = catalog_write_new(sizeof(*w), apply, caller);

    assert(hook_store_writer(hs) != NULL);
    w->hs = hs;
    return w;
}

struct room {
    size_t n, max;
};

static bool take_room(void *data, const struct org_value *value)
{
    struct room *room = data;

    (void)value;
    return ++room->n < room->max;
}

// ERR_TOOBIG: the organization has `max` values of this use.
static enum err check_room(struct store *s, MDB_txn *txn,
                           const struct org_value_put *put, uint64_t org_no)
{
    uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES];
    struct room room = { .max = put->max };
    struct scan scan = { .s = s, .visit = take_room, .data = &room };
    enum err err;

    if (put->max == 0)
        return OK;
    scan.from = str_of_val(org_value_key(put->use, org_no, STR_EMPTY, bytes));
    err = scan_in(&scan, txn);
    return err == OK && room.n >= room.max ? ERR_TOOBIG : err;
}

// The revision of the value under `key`. A damaged one has ORG_VALUE_ANY: it can be
// replaced or deleted by whoever does not name a revision. ERR_NOTFOUND.
static enum err revision_at(struct store *s, MDB_txn *txn, MDB_val key,
                            uint64_t *revision)
{
    struct org_value value = { .revision = ORG_VALUE_ANY };
    struct buf unused;
    MDB_val val;
    enum err err = store_err(
        s, mdb_get(txn, store_db(s, HOOKS_META), &key, &val), "get value");

    if (err != OK)
        return err;
    buf_init(&unused, 0);
    err = org_value_decode(store_place(s, HOOKS_META, key), key, val, NULL,
                           &unused, &value);
    buf_clear(&unused);
    *revision = value.revision;
    return err == ERR_CORRUPT ? OK : err;
}

static enum err store_value(struct value_write *w, MDB_txn *txn, MDB_val key)
{
    struct store *s = hook_store_env(w->hs);
    struct org_value value = { .bytes = w->put.bytes,
                               .is_sealed = w->put.is_secret };
    struct buf record;
    enum err err = org_values_count_change(s, txn, w->put.use, &value.revision);

    if (err != OK)
        return err;
    buf_init(&record, 0);
    org_value_encode(&value, key, hook_store_keys(w->hs), &record);
    err = store_err(s, store_put(s, txn, HOOKS_META, key, buf_str(&record), 0),
                    "put value");
    buf_clear(&record);
    w->base.result.revision = value.revision;
    return err;
}

static enum err apply_put(struct catalog_write *base, MDB_txn *txn)
{
    struct value_write *w = (struct value_write *)base;
    struct store *s = hook_store_env(w->hs);
    const struct org_value_put *put = &w->put;
    uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES];
    bool is_leaving = false;
    uint64_t revision = ORG_VALUE_NEW;
    uint64_t org_no = 0;
    MDB_val key;
    enum err err = orgs_is_leaving(s, txn, put->org, &is_leaving);

    if (hook_store_is_denied(w->hs))
        return ERR_DENIED;
    if (!text_is_name(put->org) ||
        put->name.n_bytes > ORG_VALUE_NAME_MAX_BYTES ||
        put->bytes.n_bytes > ORG_VALUE_MAX_BYTES)
        return ERR_INVALID;
    if (err != OK || is_leaving)
        return err == OK ? ERR_BUSY : err;
    err = orgs_give(s, txn, put->dialect, put->org, &org_no);
    if (err != OK)
        return err;
    key = org_value_key(put->use, org_no, put->name, bytes);
    err = revision_at(s, txn, key, &revision);
    if (err == ERR_NOTFOUND)
        err = check_room(s, txn, put, org_no);
    if (err == OK && put->revision != ORG_VALUE_ANY &&
        put->revision != revision)
        err = ERR_CONFLICT;
    return err == OK ? store_value(w, txn, key) : err;
}

static void wipe(struct catalog_write *base)
{
    struct value_write *w = (struct value_write *)base;

    crypto_wipe_buf(&w->bytes);
}

void org_value_put(struct hook_store *hs, const struct org_value_put *put,
                   const struct catalog_caller *caller)
{
    struct value_write *w = write_new(hs, apply_put, caller);

    w->put = *put;
    w->base.clear = wipe;
    w->put.org = arena_copy(&w->base.arena, put->org);
    w->put.name = arena_copy(&w->base.arena, put->name);
    buf_init(&w->bytes, 0);
    buf_put_str(&w->bytes, put->bytes);
    w->put.bytes = buf_str(&w->bytes);
    catalog_writer_add(hook_store_writer(hs), &w->base);
}

static enum err apply_delete(struct catalog_write *base, MDB_txn *txn)
{
    struct value_write *w = (struct value_write *)base;
    struct store *s = hook_store_env(w->hs);
    uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES];
    uint64_t revision = 0;
    MDB_val key;
    enum err err;

    if (hook_store_is_denied(w->hs))
        return ERR_DENIED;
    if (w->put.name.n_bytes > ORG_VALUE_NAME_MAX_BYTES)
        return ERR_NOTFOUND;
    key = org_value_key(w->put.use, w->org_no, w->put.name, bytes);
    err = revision_at(s, txn, key, &revision);
    if (err == OK && w->put.revision != ORG_VALUE_ANY &&
        w->put.revision != revision)
        err = ERR_CONFLICT;
    if (err == OK) {
        err = store_err(s, row_del(txn, store_db(s, HOOKS_META), &key),
                        "delete value");
    }
    return err == OK ? org_values_count_change(s, txn, w->put.use, &revision)
                     : err;
}

void org_value_delete(struct hook_store *hs, uint64_t org_no,
                      enum org_value_use use, struct str name,
                      uint64_t revision, const struct catalog_caller *caller)
{
    struct value_write *w = write_new(hs, apply_delete, caller);

    w->org_no = org_no;
    w->put.use = use;
    w->put.revision = revision;
    w->put.name = arena_copy(&w->base.arena, name);
    catalog_writer_add(hook_store_writer(hs), &w->base);
}
