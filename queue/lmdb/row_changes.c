// SPDX-License-Identifier: MIT
// row_changes.c — rows put and deleted, and the record of that.

#include "queue/lmdb/row_changes.h"

#include <assert.h>
#include <stdint.h>

#include "common/base/buf.h"

// --- recording ---
//
// A change is recorded before it is done, since the bytes that it is given may lie in
// pages that it moves; and is taken off the record if it fails.

static struct store *store_of(MDB_txn *txn)
{
    struct store *s = mdb_env_get_userctx(mdb_txn_env(txn));

    return store_is_recording(s) ? s : NULL;
}

// Returns how long the record was before. `s`: NULL: nothing is recorded.
static size_t record(struct store *s, MDB_dbi dbi, const MDB_val *key,
                     const MDB_val *val)
{
    struct row_change change = { .is_deleted = val == NULL,
                                 .key = str_of_val(*key) };
    size_t before = 0;

    if (s == NULL)
        return 0;
    before = s->changes.n_bytes;
    while (change.db < store_n_dbs(s) && store_db(s, change.db) != dbi)
        change.db++;
    assert(change.db < store_n_dbs(s));
    if (val != NULL)
        change.value = str_of_val(*val);
    row_change_put(&s->changes, &change);
    return before;
}

static int keep_if(struct store *s, size_t before, int rc)
{
    if (s != NULL && rc != 0)
        buf_cut(&s->changes, before);
    return rc;
}

int row_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *val,
            unsigned flags)
{
    struct store *s = store_of(txn);
    size_t before = record(s, dbi, key, val);

    assert((flags & MDB_RESERVE) == 0);
    return keep_if(s, before, mdb_put(txn, dbi, key, val, flags));
}

int row_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *key)
{
    struct store *s = store_of(txn);
    size_t before = record(s, dbi, key, NULL);

    return keep_if(s, before, mdb_del(txn, dbi, key, NULL));
}

int row_cursor_put(MDB_cursor *cursor, MDB_val *key, MDB_val *val,
                   unsigned flags)
{
    struct store *s = store_of(mdb_cursor_txn(cursor));
    size_t before = record(s, mdb_cursor_dbi(cursor), key, val);

    assert((flags & MDB_RESERVE) == 0);
    return keep_if(s, before, mdb_cursor_put(cursor, key, val, flags));
}

int row_cursor_del(MDB_cursor *cursor)
{
    struct store *s = store_of(mdb_cursor_txn(cursor));
    size_t before = 0;
    MDB_val key;
    MDB_val val;

    if (s != NULL) {
        int rc = mdb_cursor_get(cursor, &key, &val, MDB_GET_CURRENT);

        if (rc != 0)
            return rc;
        before = record(s, mdb_cursor_dbi(cursor), &key, NULL);
    }
    return keep_if(s, before, mdb_cursor_del(cursor, 0));
}

// --- applying ---

enum err row_changes_apply(struct store *s, MDB_txn *txn, struct str bytes)
{
    struct row_change change;
    enum err err;

    while ((err = row_change_take(&bytes, store_n_dbs(s), &change)) == OK) {
        MDB_val key = val_of(change.key);
        MDB_val val = val_of(change.value);
        MDB_dbi dbi = store_db(s, change.db);
        int rc = change.is_deleted ? row_del(txn, dbi, &key)
                                   : row_put(txn, dbi, &key, &val, 0);

        if (rc != 0 && !(change.is_deleted && rc == MDB_NOTFOUND))
            return store_err(s, rc, "change row");
    }
    return err == ERR_NOTFOUND ? OK : err;
}
