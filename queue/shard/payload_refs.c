// SPDX-License-Identifier: MIT
// payload_refs.c — counts which events deliveries still need, so that none is
// removed.

#include "queue/shard/payload_refs.h"

#include "common/base/codec.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

static enum err write_block(struct store *s, MDB_txn *txn, uint64_t block,
                            int64_t delta)
{
    MDB_dbi db = store_db(s, SHARD_NEEDED);
    uint8_t key_bytes[8] = { 0 };
    uint8_t number[8] = { 0 };
    MDB_val key = val_at(key_bytes, sizeof(key_bytes));
    MDB_val val;
    uint64_t n = 0;
    int rc;

    put_be64(key_bytes, block);
    rc = mdb_get(txn, db, &key, &val);
    if (rc == 0 && val.mv_size == sizeof(number))
        n = get_be64(val.mv_data);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return store_err(s, rc, "count");
    n = (uint64_t)((int64_t)n + delta);
    put_be64(number, n);
    val = val_at(number, sizeof(number));
    rc = n > 0 ? row_put(txn, db, &key, &val, 0) : row_del(txn, db, &key);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "count");
}

enum err needed_flush(struct store *s, MDB_txn *txn, struct needed *needed)
{
    enum err err = OK;

    for (size_t i = 0; i < needed->n && err == OK; i++) {
        if (needed->at[i].delta != 0)
            err = write_block(s, txn, needed->at[i].block, needed->at[i].delta);
    }
    needed->n = 0;
    return err;
}

static enum err count(struct store *s, MDB_txn *txn, struct needed *needed,
                      MDB_val key, int64_t delta)
{
    // The position is the end of both kinds of keys.
    const uint8_t *position = (const uint8_t *)key.mv_data + key.mv_size - 8;
    uint64_t block = get_be64(position) / NEEDED_BLOCK_EVENTS;
    enum err err = OK;

    for (size_t i = 0; i < needed->n; i++) {
        if (needed->at[i].block == block) {
            needed->at[i].delta += delta;
            return OK;
        }
    }
    if (needed->n == NEEDED_AT_ONCE)
        err = needed_flush(s, txn, needed);
    needed->at[needed->n].block = block;
    needed->at[needed->n++].delta = delta;
    return err;
}

static void sum_up(const struct needed *needed, unsigned db, uint32_t place,
                   MDB_val key, struct str row, int sign)
{
    if (db == SHARD_DUE && needed->backlog != NULL)
        backlog_sums_add(needed->backlog, place, str_of_val(key), row, sign);
}

enum err needed_put_row(struct store *s, MDB_txn *txn, struct needed *needed,
                        unsigned db, MDB_val key, struct str record)
{
    MDB_val old; // the row that has the key already
    int rc = store_put(s, txn, db, key, record, MDB_NOOVERWRITE);

    if (rc == 0 || rc == MDB_KEYEXIST)
        sum_up(needed, db, RECORD_NOWHERE, key, record, 1);
    if (rc == 0)
        return count(s, txn, needed, key, 1);
    if (rc == MDB_KEYEXIST) {
        rc = mdb_get(txn, store_db(s, db), &key, &old);
        if (rc == 0) {
            sum_up(needed, db, store_place(s, db, key), key, str_of_val(old),
                   -1);
            rc = store_put(s, txn, db, key, record, 0);
        }
    }
    return store_err(s, rc, "move delivery");
}

enum err needed_del_row(struct store *s, MDB_txn *txn, struct needed *needed,
                        unsigned db, MDB_val key)
{
    MDB_val row;
    int rc = 0;

    if (db == SHARD_DUE && needed->backlog != NULL) {
        rc = mdb_get(txn, store_db(s, db), &key, &row);
        if (rc == 0) {
            sum_up(needed, db, store_place(s, db, key), key, str_of_val(row),
                   -1);
        }
    }
    if (rc == 0)
        rc = row_del(txn, store_db(s, db), &key);
    if (rc == 0)
        return count(s, txn, needed, key, -1);
    return store_err(s, rc, "move delivery");
}
