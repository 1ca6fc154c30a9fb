// SPDX-License-Identifier: MIT
// backlog.c — how much waits for each hook of a shard: counted once, at the start.

#include "queue/shard/backlog.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/lmdb/page_check.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"

struct counting {
    uv_work_t work;
    struct store *store;
    MDB_txn *txn; // begun on the loop, before rows move; keeps the pages
    struct page_view *due;
    struct backlog_sums sums;
    enum err err;
    backlog_visit visit;
    void (*done)(void *data, enum err err);
    void *data;
};

static void add_row(void *data, struct str key, struct str row)
{
    struct counting *c = data;

    backlog_sums_add(&c->sums, store_place(c->store, SHARD_DUE, val_of(key)),
                     key, row, 1);
}

// Reads without LMDB, so that a damaged page does not end a start: readers of its
// rows will report it.
static void on_count(uv_work_t *work)
{
    struct counting *c = work->data;

    c->err = page_table_each(c->due, add_row, c);
    page_view_close(c->due);
    mdb_txn_abort(c->txn);
}

static void on_counted(uv_work_t *work, int status)
{
    struct counting *c = work->data;

    (void)status;
    backlog_sums_each(&c->sums, c->visit, c->data);
    c->done(c->data, c->err);
    backlog_sums_clear(&c->sums);
    free(c);
}

enum err shard_backlog_count(struct shard *s, backlog_visit visit,
                             void (*done)(void *data, enum err err), void *data)
{
    struct counting *c = xcalloc(1, sizeof(*c));
    enum err err;

    *c = (struct counting){
        .store = s->store, .visit = visit, .done = done, .data = data
    };
    c->work.data = c;
    err = store_err(
        s->store, mdb_txn_begin(store_env(s->store), NULL, MDB_RDONLY, &c->txn),
        "count");
    if (err != OK) {
        free(c);
        return err;
    }
    err = page_table_open(s->store, c->txn, shard_dbs[SHARD_DUE], &c->due);
    if (err != OK) {
        mdb_txn_abort(c->txn);
        free(c);
        return err;
    }
    if (uv_queue_work(s->loop, &c->work, on_count, on_counted) != 0)
        log_panic("a worker thread cannot be started", "");
    return OK;
}

void shard_backlog_moved(const struct shard *s, backlog_visit visit, void *data)
{
    backlog_sums_each(&s->moved, visit, data);
}
