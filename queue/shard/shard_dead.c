// SPDX-License-Identifier: MIT
// shard_dead.c — the dead letters of a shard: read by its owner, counted by any process.

#include "queue/shard/shard_dead.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/catalog/hook_label.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"
#include "queue/shard/payload_refs.h"

enum err shard_dead_get(struct shard *s, uint64_t hook_id,
                        struct position position, struct dead_row *out)
{
    uint8_t bytes[DEAD_KEY_BYTES] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_txn *txn;
    enum err err = store_read(s->store, &txn);

    if (err != OK)
        return err;
    dead_key(hook_id, position, bytes);
    err = store_err(s->store,
                    mdb_get(txn, store_db(s->store, SHARD_DEAD), &key, &val),
                    "get dead letter");
    if (err == OK) {
        err = dead_decode(store_place(s->store, SHARD_DEAD, key),
                          (struct str){ (const char *)bytes, sizeof(bytes) },
                          str_of_val(val), out);
    }
    store_read_end(s->store);
    return err;
}

// If the record is damaged, the key suffices to settle the delivery.
static void read_row(const struct store *s, MDB_val key, MDB_val val,
                     struct dead_row *out)
{
    if (dead_decode(store_place(s, SHARD_DEAD, key), str_of_val(key),
                    str_of_val(val), out) == OK)
        return;
    *out = (struct dead_row){ .hook_id = get_be64(key.mv_data) };
    memcpy(out->position.bytes, (const uint8_t *)key.mv_data + 8,
           sizeof(out->position.bytes));
    log_warn("a dead letter is damaged", "%s", hook_log_no(out->hook_id));
}

static int read_rows(const struct store *s, MDB_cursor *cursor,
                     uint8_t from[DEAD_KEY_BYTES], struct dead_row *rows,
                     size_t max, size_t *n)
{
    MDB_val key = val_at(from, DEAD_KEY_BYTES);
    MDB_val val;
    int rc = store_seek(cursor, &key, &val);

    if (rc == 0 && key.mv_size == DEAD_KEY_BYTES &&
        memcmp(key.mv_data, from, DEAD_KEY_BYTES) == 0)
        rc = store_next(cursor, &key, &val);
    while (rc == 0 && *n < max && key.mv_size == DEAD_KEY_BYTES) {
        read_row(s, key, val, &rows[(*n)++]);
        rc = store_next(cursor, &key, &val);
    }
    return rc;
}

enum err shard_dead_read(struct shard *s, uint64_t hook_id,
                         struct position after, struct dead_row *rows,
                         size_t max, size_t *n)
{
    uint8_t from[DEAD_KEY_BYTES] = { 0 };
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(s->store, &txn);
    int rc;

    *n = 0;
    if (err != OK)
        return err;
    dead_key(hook_id, after, from);
    rc = mdb_cursor_open(txn, store_db(s->store, SHARD_DEAD), &cursor);
    if (rc == 0) {
        rc = read_rows(s->store, cursor, from, rows, max, n);
        mdb_cursor_close(cursor);
    }
    store_read_end(s->store);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(s->store, rc, "read dead letters");
}

enum err shard_view_dead(struct shard_view *view, uint64_t hook_id, size_t max,
                         size_t *n)
{
    uint8_t from[DEAD_KEY_BYTES] = { 0 };
    MDB_val key = val_at(from, sizeof(from));
    MDB_val val;
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);
    int rc;

    *n = 0;
    if (err != OK)
        return err;
    dead_key(hook_id, position_start, from);
    rc = mdb_cursor_open(txn, store_db(view->store, SHARD_DEAD), &cursor);
    if (rc == 0) {
        rc = store_seek(cursor, &key, &val);
        while (rc == 0 && *n < max && key.mv_size == DEAD_KEY_BYTES &&
               get_be64(key.mv_data) == hook_id) {
            (*n)++;
            rc = store_next(cursor, &key, &val);
        }
        mdb_cursor_close(cursor);
    }
    store_read_end(view->store);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(view->store, rc, "count dead letters");
}

// --- retention ---

enum err shard_trim_dead(struct shard *s, MDB_txn *txn)
{
    struct needed needed = { .n = 0 };
    MDB_cursor *cursor;
    MDB_val key = val_at(s->trim_dead_key, sizeof(s->trim_dead_key));
    MDB_val val;
    enum err err = OK;
    int rc = mdb_cursor_open(txn, store_db(s->store, SHARD_DEAD), &cursor);

    if (rc != 0)
        return store_err(s->store, rc, "trim");
    rc = store_seek(cursor, &key, &val);
    for (size_t i = 0; i < s->trim_max && rc == 0 && err == OK; i++) {
        struct dead_row row;

        memcpy(s->trim_dead_key, key.mv_data, sizeof(s->trim_dead_key));
        if (dead_decode(store_place(s->store, SHARD_DEAD, key), str_of_val(key),
                        str_of_val(val), &row) == OK &&
            row.dead_at_ms < s->keep.dead_before_us / 1000) {
            key = val_at(s->trim_dead_key, sizeof(s->trim_dead_key));
            err = needed_del_row(s->store, txn, &needed, SHARD_DEAD, key);
            s->fresh.counts[COUNT_DEAD_EXPIRED]++;
            rc = store_seek(cursor, &key, &val);
        } else {
            rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    if (err == OK)
        err = needed_flush(s->store, txn, &needed);
    if (err != OK)
        return err;
    if (rc == MDB_NOTFOUND) {
        memset(s->trim_dead_key, 0, sizeof(s->trim_dead_key)); // from the front
        rc = 0;
    }
    return store_err(s->store, rc, "trim");
}

enum err shard_expire_dead(struct shard *s, MDB_txn *txn, struct needed *needed,
                           const struct attempt *a, int64_t before_us)
{
    uint8_t bytes[DEAD_KEY_BYTES];
    MDB_val key = val_at(bytes, sizeof(bytes));
    struct dead_row row;
    MDB_val val;
    enum err err;

    dead_key(a->hook_id, a->position, bytes);
    if (mdb_get(txn, store_db(s->store, SHARD_DEAD), &key, &val) != 0 ||
        dead_decode(store_place(s->store, SHARD_DEAD, key), str_of_val(key),
                    str_of_val(val), &row) != OK ||
        row.dead_at_ms >= before_us / 1000)
        return OK;
    err = needed_del_row(s->store, txn, needed, SHARD_DEAD, key);
    s->fresh.counts[COUNT_DEAD_EXPIRED]++;
    return err;
}
