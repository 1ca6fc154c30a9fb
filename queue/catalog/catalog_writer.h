// SPDX-License-Identifier: MIT
// catalog_writer.h — the inside: writes of hooks, stacks and tokens, one after
// another, off the loop.

#ifndef QUEUE_CATALOG_CATALOG_WRITER_H
#define QUEUE_CATALOG_CATALOG_WRITER_H

#include <stddef.h>

#include "common/base/arena.h"
#include "queue/catalog/hook_store.h"

struct catalog_writer;

struct catalog_write;

// One transaction, in a worker thread: committed if it returns OK, else nothing of
// it is stored. Sets the write's `result`, except for `err`.
typedef enum err (*catalog_run)(struct catalog_write *w);

// A write, from its call until its caller has been told: the first member of what a
// kind of write needs. It owns all that it uses: what the caller had may be gone
// before its turn comes.
struct catalog_write {
    catalog_run run;
    void (*clear)(
        struct catalog_write *w); // frees what is not in the arena, or NULL
    struct arena arena;
    struct catalog_caller caller;
    struct catalog_result result;
    struct catalog_write *next; // the writer's
};

struct catalog_writer *catalog_writer_new(struct uv_loop_s *loop);

// A write of `n_bytes` in all, zeros behind its first member.
void *catalog_write_new(size_t n_bytes, catalog_run run,
                        const struct catalog_caller *caller);

// Takes the write. Writes run in the order of these calls; `caller.done` runs once
// for each, later, on the loop, in the same order.
void catalog_writer_add(struct catalog_writer *cw, struct catalog_write *w);

#endif
