// SPDX-License-Identifier: MIT
// shard_stats.c — statistics in a shard: added to, read over a window, removed.
//
// A window is five minutes or an hour; keys begin with the time, so expired sums
// are at the front.

#include "queue/shard/shard_stats.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"

#define HOUR_S INT64_C(3600)

const struct stats_size stats_sizes[STATS_SIZES] = {
    { 300, 2 * HOUR_S },
    { HOUR_S, HOUR_S * 24 * 8 },
};

void stats_key(size_t size, int64_t start_s, uint64_t owner_no,
               uint8_t key[STATS_KEY_BYTES])
{
    key[0] = (uint8_t)(size + 1);
    put_be64(key + 1, (uint64_t)start_s);
    put_be64(key + 9, owner_no);
}

static enum err add_to_slot(struct store *s, MDB_txn *txn,
                            const uint8_t key_bytes[STATS_KEY_BYTES],
                            struct str record)
{
    MDB_val key = val_at(key_bytes, STATS_KEY_BYTES);
    MDB_val val;
    struct stats sum;
    struct buf out;
    int rc = mdb_get(txn, store_db(s, SHARD_STATS), &key, &val);
    enum err err = OK;

    if (rc == MDB_NOTFOUND) {
        return store_err(s, store_put(s, txn, SHARD_STATS, key, record, 0),
                         "put statistics");
    }
    if (rc != 0)
        return store_err(s, rc, "get statistics");
    stats_init(&sum);
    buf_init(&out, 0);
    if (stats_add_record_at(&sum, store_place(s, SHARD_STATS, key),
                            str_of_val(val)) != OK)
        log_warn("damaged statistics start again at zero", "");
    err = stats_add_record(&sum, record);
    if (err == OK) {
        stats_encode(&sum, &out);
        err =
            store_err(s, store_put(s, txn, SHARD_STATS, key, buf_str(&out), 0),
                      "put statistics");
    }
    buf_clear(&out);
    stats_clear(&sum);
    return err;
}

enum err shard_merge_stats(struct store *s, MDB_txn *txn, MDB_val key,
                           struct str record)
{
    return key.mv_size == STATS_KEY_BYTES
               ? add_to_slot(s, txn, key.mv_data, record)
               : OK;
}

enum err shard_add_stats(struct store *s, MDB_txn *txn, struct str key,
                         struct str record)
{
    const uint8_t *k = (const uint8_t *)key.at;
    int64_t at_s = (int64_t)get_be64(k + 8);
    enum err err = OK;

    for (size_t i = 0; i < STATS_SIZES && err == OK; i++) {
        uint8_t slot[STATS_KEY_BYTES];

        stats_key(i, at_s - at_s % stats_sizes[i].slot_s, get_be64(k), slot);
        err = add_to_slot(s, txn, slot, record);
    }
    return err;
}

enum err shard_trim_stats(struct store *s, MDB_txn *txn, int64_t now_s,
                          size_t max, size_t *n_removed)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, store_db(s, SHARD_STATS), &cursor);

    *n_removed = 0;
    if (rc != 0)
        return store_err(s, rc, "trim statistics");
    for (size_t i = 0; i < STATS_SIZES && rc == 0; i++) {
        uint8_t from[STATS_KEY_BYTES] = { 0 };
        uint8_t until[STATS_KEY_BYTES];

        from[0] = (uint8_t)(i + 1);
        stats_key(i,
                  now_s > stats_sizes[i].kept_s ? now_s - stats_sizes[i].kept_s
                                                : 0,
                  0, until);
        while (rc == 0 && *n_removed < max) {
            MDB_val key = val_at(from, sizeof(from));
            MDB_val val;

            rc = store_seek(cursor, &key, &val);
            if (rc != 0 || key.mv_size != sizeof(until) ||
                memcmp(key.mv_data, until, sizeof(until)) >= 0)
                break;
            rc = row_cursor_del(cursor);
            (*n_removed)++;
        }
        if (rc == MDB_NOTFOUND)
            rc = 0;
    }
    mdb_cursor_close(cursor);
    return store_err(s, rc, "trim statistics");
}

struct window {
    uint64_t owner_no;
    size_t size;
    int64_t from_s, until_s;
};

static enum err read_slots(struct store *s, MDB_txn *txn,
                           const struct window *w, struct stats *into)
{
    for (int64_t at_s = w->from_s; at_s <= w->until_s;
         at_s += stats_sizes[w->size].slot_s) {
        uint8_t bytes[STATS_KEY_BYTES];
        MDB_val key = val_at(bytes, sizeof(bytes));
        MDB_val val;
        int rc;

        stats_key(w->size, at_s, w->owner_no, bytes);
        rc = mdb_get(txn, store_db(s, SHARD_STATS), &key, &val);
        if (rc != 0 && rc != MDB_NOTFOUND)
            return store_err(s, rc, "read statistics");
        if (rc == 0 &&
            stats_add_record_at(into, store_place(s, SHARD_STATS, key),
                                str_of_val(val)) != OK)
            log_warn("damaged statistics are skipped", "");
    }
    return OK;
}

// The slots that a window is read from: the shortest that are kept for as long.
static size_t size_for(int64_t window_s)
{
    return window_s <= HOUR_S ? 0 : 1;
}

void stats_slots(int64_t now_s, int64_t window_s, int64_t *first_s,
                 int64_t *slot_s)
{
    int64_t since_s = now_s - window_s;

    *slot_s = stats_sizes[size_for(window_s)].slot_s;
    *first_s = since_s - since_s % *slot_s;
}

static enum err read_window(struct shard_view *view, const struct window *w,
                            struct stats *into)
{
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    err = read_slots(view->store, txn, w, into);
    store_read_end(view->store);
    return err;
}

enum err stats_read_slot(struct shard_view *view, uint64_t owner_no,
                         int64_t at_s, int64_t slot_s, struct stats *into)
{
    const struct window window = {
        .owner_no = owner_no,
        .size = slot_s == stats_sizes[0].slot_s ? 0 : 1,
        .from_s = at_s,
        .until_s = at_s,
    };

    return read_window(view, &window, into);
}

enum err stats_read(struct shard_view *view, uint64_t owner_no, int64_t now_s,
                    int64_t window_s, struct stats *into, int64_t *from_s)
{
    struct window window = { .owner_no = owner_no,
                             .size = size_for(window_s),
                             .until_s = now_s };
    int64_t slot_s;

    stats_slots(now_s, window_s, &window.from_s, &slot_s);
    *from_s = window.from_s;
    return read_window(view, &window, into);
}
