// SPDX-License-Identifier: MIT
// mark_row.c — the mark of an erasure in an environment's table `meta`.

#include "queue/erasure/mark_row.h"

#include <string.h>

#include "common/base/codec.h"
#include "queue/lmdb/row_changes.h"

#define ROW_BYTES 25 // id(16) n_removed(8) is_done(1)

static const char row_name[] = "erased";

enum err mark_row_get(struct store *s, MDB_txn *txn, unsigned db,
                      struct erasure_mark *out)
{
    MDB_val key = val_at(row_name, sizeof(row_name) - 1);
    MDB_val val;
    int rc = mdb_get(txn, store_db(s, db), &key, &val);

    *out = (struct erasure_mark){ .n_removed = 0 };
    if (rc == MDB_NOTFOUND)
        return OK;
    if (rc != 0)
        return store_err(s, rc, "get erasure");
    if (val.mv_size != ROW_BYTES)
        return OK;
    memcpy(out->id.bytes, val.mv_data, sizeof(out->id.bytes));
    out->n_removed = get_be64((const uint8_t *)val.mv_data + 16);
    out->is_done = ((const uint8_t *)val.mv_data)[24] == 1;
    return OK;
}

enum err mark_row_put(struct store *s, MDB_txn *txn, unsigned db,
                      const struct erasure_mark *mark)
{
    uint8_t bytes[ROW_BYTES];
    MDB_val key = val_at(row_name, sizeof(row_name) - 1);
    MDB_val val = val_at(bytes, sizeof(bytes));

    memcpy(bytes, mark->id.bytes, sizeof(mark->id.bytes));
    put_be64(bytes + 16, mark->n_removed);
    bytes[24] = mark->is_done;
    return store_err(s, row_put(txn, store_db(s, db), &key, &val, 0),
                     "note erasure");
}

enum err mark_row_read(struct store *s, unsigned db, struct erasure_mark *out)
{
    MDB_txn *txn;
    enum err err = store_read(s, &txn);

    *out = (struct erasure_mark){ .n_removed = 0 };
    if (err != OK)
        return err;
    err = mark_row_get(s, txn, db, out);
    store_read_end(s);
    return err;
}
