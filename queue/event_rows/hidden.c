// SPDX-License-Identifier: MIT
// hidden.c — on disk: events of a post that is being stored in parts.

#include "queue/event_rows/hidden.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/event_rows/idempotency.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

#define LEAST_BYTES 1024 // what an event counts that is removed

static char open_name[] = "open";
static char unused_name[] = "unused";

static MDB_val key_of(char *name)
{
    return val_at(name, strlen(name));
}

// --- rows of the table meta ---

enum err hidden_put(struct store *s, MDB_txn *txn, uint64_t from, bool is_whole)
{
    uint8_t bytes[HIDDEN_BYTES] = { 0 };
    MDB_val key = key_of(open_name);
    MDB_val val = val_at(bytes, sizeof(bytes));

    put_be64(bytes, from);
    bytes[8] = is_whole;
    return store_err(s, row_put(txn, store_db(s, EVENTS_META), &key, &val, 0),
                     "put open");
}

enum err hidden_end(struct store *s, MDB_txn *txn)
{
    MDB_val key = key_of(open_name);
    int rc = row_del(txn, store_db(s, EVENTS_META), &key);

    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "remove open");
}

enum err hidden_get(struct store *s, MDB_txn *txn, struct hidden *out)
{
    MDB_val key = key_of(open_name);
    MDB_val val;
    enum err err = store_err(
        s, mdb_get(txn, store_db(s, EVENTS_META), &key, &val), "get open");

    *out =
        (struct hidden){ .is_there = err == OK && val.mv_size == HIDDEN_BYTES };
    if (out->is_there) {
        out->from = get_be64(val.mv_data);
        out->is_whole = ((const uint8_t *)val.mv_data)[8] != 0;
    }
    return err == ERR_NOTFOUND ? OK : err;
}

enum err unused_get(struct store *s, MDB_txn *txn, uint64_t *n)
{
    MDB_val key = key_of(unused_name);
    MDB_val val;
    enum err err = store_err(
        s, mdb_get(txn, store_db(s, EVENTS_META), &key, &val), "get unused");

    *n = err == OK && val.mv_size == 8 ? get_be64(val.mv_data) : 0;
    return err == ERR_NOTFOUND ? OK : err;
}

enum err unused_add(struct store *s, MDB_txn *txn, uint64_t more)
{
    uint8_t bytes[8];
    MDB_val key = key_of(unused_name);
    MDB_val val = val_at(bytes, sizeof(bytes));
    uint64_t n;
    enum err err = unused_get(s, txn, &n);

    if (err != OK || more == 0)
        return err;
    put_be64(bytes, n + more);
    return store_err(s, row_put(txn, store_db(s, EVENTS_META), &key, &val, 0),
                     "put unused");
}

// --- the events ---

// Removes the event under the cursor, and its key.
static enum err remove_last(struct store *s, MDB_txn *txn, MDB_cursor *cursor,
                            MDB_val key, MDB_val val)
{
    struct position at;
    struct str id_key = STR_EMPTY;
    struct event e;
    uint8_t copy[EVENT_KEY_BYTES];
    enum err err = OK;

    memcpy(at.bytes, key.mv_data, sizeof(at.bytes));
    if (store_value_is_in_place(s, val) &&
        event_decode(store_place(s, EVENTS_EVENTS, key), str_of_val(val), &e,
                     &id_key) == OK &&
        id_key.n_bytes == sizeof(copy)) {
        memcpy(copy, id_key.at, sizeof(copy)); // before the page changes
        err = event_key_remove(s, txn, copy, at);
    }
    return err == OK ? store_err(s, row_cursor_del(cursor), "remove event")
                     : err;
}

enum err hidden_remove(struct store *s, MDB_txn *txn, uint64_t from,
                       size_t max_bytes, bool *is_done)
{
    size_t n_bytes = 0;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    enum err err =
        store_err(s, mdb_cursor_open(txn, store_db(s, EVENTS_EVENTS), &cursor),
                  "remove hidden events");

    *is_done = false;
    if (err != OK)
        return err;
    while (err == OK && n_bytes < max_bytes && !*is_done) {
        *is_done = mdb_cursor_get(cursor, &key, &val, MDB_LAST) != 0 ||
                   key.mv_size != 8 || get_be64(key.mv_data) < from;
        if (*is_done)
            break;
        n_bytes += val.mv_size > LEAST_BYTES ? val.mv_size : LEAST_BYTES;
        err = remove_last(s, txn, cursor, key, val);
    }
    mdb_cursor_close(cursor);
    return err;
}

// Counts the events from `from` on, and gives the number of the last one.
static enum err count_from(struct store *s, MDB_txn *txn, uint64_t from,
                           uint64_t *last, uint64_t *n)
{
    uint8_t bytes[8];
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, store_db(s, EVENTS_EVENTS), &cursor);

    *n = 0;
    if (rc != 0)
        return store_err(s, rc, "count hidden events");
    put_be64(bytes, from);
    for (rc = store_seek(cursor, &key, &val); rc == 0 && key.mv_size == 8;
         rc = store_next(cursor, &key, &val)) {
        *last = get_be64(key.mv_data);
        (*n)++;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "count hidden events");
}

enum err hidden_show(struct store *s, MDB_txn *txn, uint64_t *next)
{
    uint64_t last = 0;
    uint64_t n = 0;
    enum err err = count_from(s, txn, *next, &last, &n);

    if (err == OK && n > 0) {
        log_info("a post that was stored whole is made visible",
                 "events=%" PRIu64, n);
        err = unused_add(s, txn, last + 1 - *next - n);
        *next = last + 1;
    }
    return err == OK ? hidden_end(s, txn) : err;
}
