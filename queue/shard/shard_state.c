// SPDX-License-Identifier: MIT
// shard_state.c — the record of a shard's state: read, written, and rebuilt from
// rows.
//
// The record is rebuilt if it is damaged. An event with rows was matched, and when
// a cursor passes an event, each of its deliveries is settled or has a row. So
// everything up to the greatest position of a row was matched, and at most events
// without matches are read again. Counts start again from the rows that wait.

#include "queue/shard/shard_state.h"

#include <string.h>

#include "common/base/codec.h"
#include "queue/catalog/orgs.h"
#include "queue/records/schema.h"

static char state_name[] = "state";

enum err shard_read_state(struct store *s, MDB_txn *txn,
                          struct shard_state *out)
{
    MDB_val key = val_at(state_name, sizeof(state_name) - 1);
    MDB_val val;
    int rc = mdb_get(txn, store_db(s, SHARD_META), &key, &val);

    if (rc == MDB_NOTFOUND) {
        *out = (struct shard_state){ .next_no = 1 };
        return OK;
    }
    if (rc != 0)
        return store_err(s, rc, "get state");
    return state_decode(store_place(s, SHARD_META, key), str_of_val(val), out);
}

enum err shard_put_state(struct store *s, MDB_txn *txn,
                         const struct shard_state *state)
{
    struct buf record;
    MDB_val key = val_at(state_name, sizeof(state_name) - 1);
    int rc;

    buf_init(&record, 0);
    state_encode(state, &record);
    rc = store_put(s, txn, SHARD_META, key, buf_str(&record), 0);
    buf_clear(&record);
    return store_err(s, rc, "put state");
}

enum err shard_read_counts(struct store *s, MDB_txn *txn,
                           const struct shard_state *state,
                           struct shard_counts *out)
{
    MDB_stat due;
    MDB_stat dead;
    int rc = mdb_stat(txn, store_db(s, SHARD_DUE), &due);

    if (rc == 0)
        rc = mdb_stat(txn, store_db(s, SHARD_DEAD), &dead);
    if (rc != 0)
        return store_err(s, rc, "count");
    memcpy(out->counts, state->counts, sizeof(out->counts));
    out->n_due = due.ms_entries;
    out->n_dead = dead.ms_entries;
    return OK;
}

// --- made anew ---

#define LONGEST_MS 320000 // no attempt takes longer, whatever the settings say

// The last key of a database. False: it is empty.
static bool last_key(const struct store *s, MDB_txn *txn, unsigned db,
                     MDB_val *key)
{
    MDB_cursor *cursor;
    MDB_val val;
    bool is_there;

    if (mdb_cursor_open(txn, store_db(s, db), &cursor) != 0)
        return false;
    is_there =
        mdb_cursor_get(cursor, key, &val, MDB_LAST) == 0 && key->mv_size >= 8;
    mdb_cursor_close(cursor);
    return is_there;
}

// Raises `greatest` to the greatest position in the table: the end of a row's key.
static enum err raise_to_rows(struct store *s, MDB_txn *txn, unsigned db,
                              uint64_t *greatest)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, db), &cursor);

    if (rc != 0)
        return store_err(s, rc, "read rows");
    while ((rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
        const uint8_t *end = (const uint8_t *)key.mv_data + key.mv_size;

        if (key.mv_size >= DEAD_KEY_BYTES && get_be64(end - 8) > *greatest)
            *greatest = get_be64(end - 8);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "read rows");
}

enum err shard_guess_state(struct store *s, MDB_txn *txn,
                           struct shard_state *out)
{
    struct shard_counts rows = { .n_due = 0 };
    uint64_t greatest = 0;
    MDB_val key;
    enum err err;

    *out = (struct shard_state){ .next_no = 1, .longest_ms = LONGEST_MS };
    if (last_key(s, txn, SHARD_ATTEMPTS, &key))
        out->next_no = get_be64(key.mv_data) + 1;
    if (last_key(s, txn, SHARD_BY_EVENT, &key))
        greatest = get_be64(key.mv_data);
    err = raise_to_rows(s, txn, SHARD_DUE, &greatest);
    if (err == OK)
        err = raise_to_rows(s, txn, SHARD_DEAD, &greatest);
    if (err != OK)
        return err;
    if (last_key(s, txn, SHARD_BY_OWNER, &key) &&
        get_be64(key.mv_data) > OWNER_IS_ORG)
        out->last_org = get_be64(key.mv_data);
    out->cursor = position_of(greatest);
    out->stats_from = out->next_no;
    err = shard_read_counts(s, txn, out, &rows);
    if (err == OK)
        out->counts[COUNT_MATCHED] = (int64_t)(rows.n_due + rows.n_dead);
    return err;
}
