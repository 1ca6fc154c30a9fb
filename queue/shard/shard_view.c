// SPDX-License-Identifier: MIT
// shard_view.c — the reading end of a shard, except its history.

#include "queue/shard/shard_view.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/erasure/erased_payloads.h"
#include "queue/erasure/mark_row.h"
#include "queue/listing/listed_rows.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"
#include "queue/shard/shard_state.h"

enum err shard_view_open(const struct queue_config *config, unsigned k,
                         struct shard_view **out)
{
    struct shard_view *view = xcalloc(1, sizeof(*view));
    char *dir = xasprintf("%s/deliveries/%u", config->data_dir, k);
    enum err err = store_open(dir, store_shard_map(config->max_bytes), true,
                              shard_dbs, SHARD_DBS, &view->store);

    free(dir);
    if (err != OK) {
        free(view);
        return err;
    }
    view->payload_keys = config->payload_keys;
    buf_init(&view->plain, 0);
    *out = view;
    return OK;
}

static enum err read_state(struct shard_view *view, struct shard_state *state,
                           struct shard_counts *counts)
{
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    err = shard_read_state(view->store, txn, state);
    if (err == OK)
        err = shard_read_counts(view->store, txn, state, counts);
    store_read_end(view->store);
    return err;
}

enum err history_end(struct shard_view *view, uint64_t *next_no)
{
    struct shard_state state;
    struct shard_counts counts;
    enum err err = read_state(view, &state, &counts);

    if (err == OK)
        *next_no = state.next_no;
    return err;
}

// Skips damaged rows, but not their numbers: they are the shard's oldest all the same.
static int read_first(struct shard_view *view, MDB_txn *txn, uint64_t *first_no,
                      int64_t *started_at_us)
{
    const struct store *s = view->store;
    struct attempt a;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, SHARD_ATTEMPTS), &cursor);

    if (rc != 0)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);
    if (rc == 0 && key.mv_size == 8) {
        *first_no = get_be64(key.mv_data);
        if (started_at_us != NULL &&
            attempt_decode(store_place(s, SHARD_ATTEMPTS, key), str_of_val(val),
                           &a) == OK)
            *started_at_us = a.started_at_us;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum err history_begin(struct shard_view *view, uint64_t *first_no,
                       int64_t *started_at_us)
{
    struct shard_state state;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    if (started_at_us != NULL)
        *started_at_us = 0;
    if (err != OK)
        return err;
    err = shard_read_state(view->store, txn, &state);
    if (err == OK) {
        *first_no = state.next_no;
        err = store_err(view->store,
                        read_first(view, txn, first_no, started_at_us),
                        "read history");
    }
    store_read_end(view->store);
    return err;
}

enum err shard_view_needs(struct shard_view *view, uint64_t block, bool *out)
{
    uint8_t bytes[8] = { 0 };
    MDB_val key;
    MDB_val val;
    int rc;
    enum err err = store_read(view->store, &view->txn);

    if (err != OK)
        return err;
    put_be64(bytes, block);
    key = val_at(bytes, sizeof(bytes));
    rc = mdb_get(view->txn, store_db(view->store, SHARD_NEEDED), &key, &val);
    *out = rc == 0;
    if (rc != MDB_NOTFOUND)
        err = store_err(view->store, rc, "read shard");
    view->txn = NULL;
    store_read_end(view->store);
    return err;
}

static int count_rows(struct shard_view *view, MDB_txn *txn, uint64_t owner_no,
                      uint64_t *from_no, size_t max, uint64_t *n)
{
    uint8_t bytes[BY_OWNER_KEY_BYTES];
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_cursor *cursor;
    int rc =
        mdb_cursor_open(txn, store_db(view->store, SHARD_BY_OWNER), &cursor);

    if (rc != 0)
        return rc;
    put_be64(bytes, owner_no);
    put_be64(bytes + 8, *from_no);
    rc = store_seek(cursor, &key, &val);
    while (rc == 0 && *n < max) {
        if (key.mv_size != sizeof(bytes) || get_be64(key.mv_data) != owner_no) {
            rc = MDB_NOTFOUND;
            break;
        }
        ++*n;
        *from_no = get_be64((const uint8_t *)key.mv_data + 8) + 1;
        rc = store_next(cursor, &key, &val);
    }
    mdb_cursor_close(cursor);
    return rc;
}

enum err history_count(struct shard_view *view, uint64_t owner_no,
                       uint64_t *from_no, size_t max, uint64_t *n, bool *is_end)
{
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);
    int rc;

    *n = 0;
    *is_end = true;
    if (err != OK)
        return err;
    rc = count_rows(view, txn, owner_no, from_no, max, n);
    store_read_end(view->store);
    *is_end = rc == MDB_NOTFOUND;
    return *is_end ? OK : store_err(view->store, rc, "count attempts");
}

enum err shard_view_counts(struct shard_view *view, struct shard_counts *out)
{
    struct shard_state state;

    return read_state(view, &state, out);
}

enum err shard_view_cursor(struct shard_view *view, struct position *out)
{
    struct shard_state state;
    struct shard_counts counts;
    enum err err = read_state(view, &state, &counts);

    if (err == OK)
        *out = state.cursor;
    return err;
}

enum err shard_view_erasure(struct shard_view *view, struct erasure_mark *out)
{
    return mark_row_read(view->store, SHARD_META, out);
}

// --- the list of events ---

enum err shard_view_listed_range(struct shard_view *view,
                                 struct listed_range *out)
{
    struct shard_state state;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    err = shard_read_state(view->store, txn, &state);
    if (err == OK)
        err = listed_range_get(view->store, txn, SHARD_META, out);
    store_read_end(view->store);
    if (err == OK && position_cmp(out->to, state.cursor) != 0)
        *out = (struct listed_range){ state.cursor, state.cursor };
    return err;
}

static bool read_listed(const struct store *s, MDB_val key, MDB_val val,
                        struct listed_row *out)
{
    if (listed_decode(store_place(s, SHARD_LISTED, key), str_of_val(key),
                      str_of_val(val), out) == OK)
        return true;
    log_warn("a row of the list of events is damaged", "path=%s",
             log_quote(str_of(store_path(s))));
    return false;
}

// The last row up to `wanted` that is sound and of the same organization.
static int listed_before(const struct store *s, MDB_cursor *cursor,
                         MDB_val wanted, struct listed_row *out)
{
    MDB_val key = wanted;
    MDB_val val;
    int rc = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);

    if (rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(cursor, &key, &val, MDB_LAST);
    } else if (rc == 0 && !str_eq(str_of_val(key), str_of_val(wanted))) {
        rc = mdb_cursor_get(cursor, &key, &val, MDB_PREV);
    }
    while (rc == 0) {
        if (key.mv_size != wanted.mv_size ||
            memcmp(key.mv_data, wanted.mv_data, wanted.mv_size - 8) != 0)
            return MDB_NOTFOUND;
        if (read_listed(s, key, val, out))
            return 0;
        rc = mdb_cursor_get(cursor, &key, &val, MDB_PREV);
    }
    return rc;
}

enum err shard_view_listed(struct shard_view *view, enum dialect dialect,
                           struct str org, uint64_t block,
                           struct listed_row *out)
{
    uint8_t bytes[LISTED_KEY_MAX_BYTES];
    MDB_val key = val_at(bytes, listed_key(dialect, org, block, bytes));
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_cursor_open(txn, store_db(view->store, SHARD_LISTED), &cursor);
    if (rc == 0) {
        rc = listed_before(view->store, cursor, key, out);
        mdb_cursor_close(cursor);
    }
    out->org = org;
    store_read_end(view->store);
    return rc == MDB_NOTFOUND ? ERR_NOTFOUND
                              : store_err(view->store, rc, "read list");
}

static int listed_behind(const struct store *s, MDB_cursor *cursor,
                         struct buf *key, struct listed_row *out)
{
    MDB_val at = val_of(buf_str(key));
    MDB_val val;
    int rc = key->n_bytes > 0 ? store_seek(cursor, &at, &val)
                              : mdb_cursor_get(cursor, &at, &val, MDB_FIRST);

    if (rc == 0 && key->n_bytes > 0 && str_eq(str_of_val(at), buf_str(key)))
        rc = store_next(cursor, &at, &val);
    while (rc == 0) {
        buf_reset(key);
        buf_put_str(key, str_of_val(at));
        if (read_listed(s, at, val, out))
            return 0;
        rc = store_next(cursor, &at, &val);
    }
    return rc;
}

enum err shard_view_listed_next(struct shard_view *view, struct buf *key,
                                struct listed_row *out)
{
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_cursor_open(txn, store_db(view->store, SHARD_LISTED), &cursor);
    if (rc == 0) {
        rc = listed_behind(view->store, cursor, key, out);
        mdb_cursor_close(cursor);
    }
    store_read_end(view->store);
    if (rc == 0) // the row points into the database
        out->org = (struct str){ key->at + 1, out->org.n_bytes };
    return rc == MDB_NOTFOUND ? ERR_NOTFOUND
                              : store_err(view->store, rc, "read list");
}

void shard_view_listed_behind(enum dialect dialect, struct str org,
                              struct buf *key)
{
    uint8_t bytes[LISTED_KEY_MAX_BYTES];
    size_t n_bytes = listed_key(dialect, org, UINT64_MAX, bytes);

    buf_reset(key);
    buf_put(key, bytes, n_bytes);
}

enum err shard_view_has_erased(struct shard_view *view,
                               struct position position, bool *out)
{
    return erased_payload_read(view->store, SHARD_META, position, out);
}

enum err shard_view_payload_work(struct shard_view *view,
                                 struct hook_store *hooks,
                                 struct payload_work *out)
{
    return payload_work_read(hooks, view->store, SHARD_META, out);
}
