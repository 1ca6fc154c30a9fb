// SPDX-License-Identifier: MIT
// shard_view.c — the reading end of a shard, except its history.

#include "queue/shard/shard_view.h"

#include <stdlib.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
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
