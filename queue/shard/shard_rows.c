// SPDX-License-Identifier: MIT
// shard_rows.c — the due rows of a shard, as its owner reads them; the first one of a
// hook, for any process.

#include "queue/shard/shard_rows.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/catalog/hook_label.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"

static int seek_due(MDB_cursor *cursor, const struct due_query *query,
                    uint8_t from[DUE_KEY_BYTES], MDB_val *key, MDB_val *val)
{
    int rc;

    *key = val_at(from, DUE_KEY_BYTES);
    rc = store_seek(cursor, key, val);
    if (rc == 0 && query->after != NULL && key->mv_size == DUE_KEY_BYTES &&
        memcmp(key->mv_data, from, DUE_KEY_BYTES) == 0)
        rc = store_next(cursor, key, val);
    return rc;
}

static enum err read_due(struct shard *s, MDB_cursor *cursor,
                         const struct due_query *query, struct due_row *rows,
                         size_t max, size_t *n)
{
    uint8_t from[DUE_KEY_BYTES] = { 0 };
    MDB_val key;
    MDB_val val;
    int rc;

    put_be64(from, query->hook_id);
    if (query->after != NULL)
        due_key(query->after, from);
    rc = seek_due(cursor, query, from, &key, &val);
    while (rc == 0 && *n < max) {
        struct due_row *row = &rows[*n];

        if (key.mv_size != DUE_KEY_BYTES ||
            get_be64(key.mv_data) != query->hook_id)
            break;
        if (due_decode(store_place(s->store, SHARD_DUE, key), str_of_val(key),
                       str_of_val(val), row) != OK) {
            log_warn("a damaged due row is skipped", "%s",
                     hook_log_no(query->hook_id));
        } else {
            if (row->due_at_ms > query->until_ms)
                break;
            (*n)++;
        }
        rc = store_next(cursor, &key, &val);
    }
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(s->store, rc, "read due rows");
}

enum err shard_due_read(struct shard *s, const struct due_query *query,
                        struct due_row *rows, size_t max, size_t *n)
{
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(s->store, &txn);

    *n = 0;
    if (err != OK)
        return err;
    err = store_err(
        s->store, mdb_cursor_open(txn, store_db(s->store, SHARD_DUE), &cursor),
        "read due rows");
    if (err == OK) {
        err = read_due(s, cursor, query, rows, max, n);
        mdb_cursor_close(cursor);
    }
    store_read_end(s->store);
    return err;
}

enum err shard_due_hooks(struct shard *s, due_hook_visit visit, void *data)
{
    uint8_t from[DUE_KEY_BYTES] = { 0 };
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(s->store, &txn);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_cursor_open(txn, store_db(s->store, SHARD_DUE), &cursor);
    if (rc != 0) {
        store_read_end(s->store);
        return store_err(s->store, rc, "read due rows");
    }
    for (;;) {
        MDB_val key = val_at(from, sizeof(from));
        MDB_val val;
        uint64_t hook_id;

        rc = store_seek(cursor, &key, &val);
        if (rc != 0 || key.mv_size != DUE_KEY_BYTES)
            break;
        hook_id = get_be64(key.mv_data);
        visit(data, hook_id,
              (int64_t)get_be64((const uint8_t *)key.mv_data + 8));
        memset(from, 0, sizeof(from));
        put_be64(from, hook_id + 1);
    }
    mdb_cursor_close(cursor);
    store_read_end(s->store);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(s->store, rc, "read due rows");
}

enum err shard_due_get(struct shard *s, uint64_t hook_id, int64_t due_at_ms,
                       struct position position, struct due_row *out)
{
    const struct due_row wanted = { .hook_id = hook_id,
                                    .due_at_ms = due_at_ms,
                                    .position = position };
    uint8_t bytes[DUE_KEY_BYTES] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_txn *txn;
    enum err err = store_read(s->store, &txn);

    if (err != OK)
        return err;
    due_key(&wanted, bytes);
    err = store_err(s->store,
                    mdb_get(txn, store_db(s->store, SHARD_DUE), &key, &val),
                    "get due row");
    if (err == OK) {
        err = due_decode(store_place(s->store, SHARD_DUE, key),
                         (struct str){ (const char *)bytes, sizeof(bytes) },
                         str_of_val(val), out);
    }
    store_read_end(s->store);
    return err;
}

enum err shard_view_due(struct shard_view *view, uint64_t from,
                        struct due_row *out)
{
    uint8_t bytes[DUE_KEY_BYTES] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);
    int rc;

    if (err != OK)
        return err;
    put_be64(bytes, from);
    rc = mdb_cursor_open(txn, store_db(view->store, SHARD_DUE), &cursor);
    if (rc == 0) {
        rc = store_seek(cursor, &key, &val);
        if (rc == 0 && key.mv_size != DUE_KEY_BYTES)
            rc = MDB_NOTFOUND;
        if (rc == 0) {
            const uint8_t *at = key.mv_data;

            *out = (struct due_row){ .hook_id = get_be64(at),
                                     .due_at_ms = (int64_t)get_be64(at + 8) };
            memcpy(out->position.bytes, at + 16, sizeof(out->position.bytes));
        }
        mdb_cursor_close(cursor);
    }
    store_read_end(view->store);
    return store_err(view->store, rc, "read due rows");
}

// Goes through the rows of the hook in one of the tables; the position ends their keys.
static enum err collect(const struct store *s, MDB_txn *txn, unsigned db,
                        uint64_t hook_id, struct event_numbers *out)
{
    uint8_t bytes[8];
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, store_db(s, db), &cursor);

    if (rc != 0)
        return store_err(s, rc, "read rows of a hook");
    put_be64(bytes, hook_id);
    rc = store_seek(cursor, &key, &val);
    while (rc == 0 && out->n < out->max && key.mv_size >= 16 &&
           get_be64(key.mv_data) == hook_id) {
        out->at[out->n++] =
            get_be64((const uint8_t *)key.mv_data + key.mv_size - 8);
        rc = store_next(cursor, &key, &val);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "read rows of a hook");
}

enum err shard_view_hook_events(struct shard_view *view, uint64_t hook_id,
                                struct event_numbers *out)
{
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    err = collect(view->store, txn, SHARD_DUE, hook_id, out);
    if (err == OK)
        err = collect(view->store, txn, SHARD_DEAD, hook_id, out);
    store_read_end(view->store);
    return err;
}
