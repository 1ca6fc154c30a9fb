// SPDX-License-Identifier: MIT
// chain_mark.c — up to which entry of its chain an environment is.

#include "queue/chain/chain_mark.h"

#include "common/base/codec.h"
#include "queue/lmdb/row_changes.h"

#define NAME         "chain"
#define MARK_VERSION 1

static const struct member members[] = {
    MEMBER(struct chain_point, seq),
    MEMBER(struct chain_point, term),
};

bool chain_mark_is(MDB_val key)
{
    return str_eq(str_of_val(key), STR(NAME));
}

enum err chain_mark_get(struct store *s, MDB_txn *txn, unsigned meta_db,
                        struct chain_point *out)
{
    MDB_val key = val_of(STR(NAME));
    MDB_val val;
    int rc = mdb_get(txn, store_db(s, meta_db), &key, &val);

    if (rc != 0)
        return store_err(s, rc, "read mark");
    return record_unpack(store_place(s, meta_db, key), str_of_val(val),
                         MARK_VERSION, MEMBERS(members), out);
}

enum err chain_mark_put(struct store *s, MDB_txn *txn, unsigned meta_db,
                        const struct chain_point *at)
{
    MDB_val key = val_of(STR(NAME));
    struct buf record;
    int rc;

    buf_init(&record, 0);
    record_pack(&record, MARK_VERSION, MEMBERS(members), at);
    rc = store_put(s, txn, meta_db, key, buf_str(&record), 0);
    buf_clear(&record);
    return store_err(s, rc, "put mark");
}

enum err chain_mark_remove(struct store *s, MDB_txn *txn, unsigned meta_db)
{
    MDB_val key = val_of(STR(NAME));
    int rc = row_del(txn, store_db(s, meta_db), &key);

    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "remove mark");
}
