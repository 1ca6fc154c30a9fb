// SPDX-License-Identifier: MIT
// catalog_writer.h — the inside: writes of hooks, stacks and tokens, off the loop;
// those that wait share a transaction.

#ifndef QUEUE_CATALOG_CATALOG_WRITER_H
#define QUEUE_CATALOG_CATALOG_WRITER_H

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/list.h"
#include "queue/catalog/hook_store.h"
#include "queue/lmdb/environment.h"

struct catalog_writer;

struct catalog_write;

// Makes the changes of a write in a transaction that it may share with other writes,
// in a worker thread, and sets the write's `result`, except for `err`. On an error
// the transaction is undone; whatever it holds of other writes is made again without
// this one. So it may run more than once, each time from the beginning.
typedef enum err (*catalog_apply)(struct catalog_write *w, MDB_txn *txn);

// A write, from its call until its caller has been told: the first member of what a
// kind of write needs. It owns all that it uses: what the caller had may be gone
// before its turn comes.
struct catalog_write {
    catalog_apply apply;
    void (*clear)(
        struct catalog_write *w); // frees what is not in the arena, or NULL
    struct arena arena;
    struct catalog_caller caller;
    struct catalog_result result;
    struct list_node node; // the writer's
};

// Called in the worker thread, with `data`, when a transaction was undone: what a
// write has noted outside of it must be forgotten.
typedef void (*catalog_undone)(void *data);

// A writer for the environment, which must live as long.
struct catalog_writer *catalog_writer_new(struct uv_loop_s *loop,
                                          struct store *store,
                                          catalog_undone undone, void *data);

// A write of `n_bytes` in all, zeros behind its first member.
void *catalog_write_new(size_t n_bytes, catalog_apply apply,
                        const struct catalog_caller *caller);

// Takes the write. Writes take effect in the order of these calls; `caller.done` runs
// once for each, later, on the loop, in the same order.
void catalog_writer_add(struct catalog_writer *cw, struct catalog_write *w);

#endif
