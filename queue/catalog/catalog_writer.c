// SPDX-License-Identifier: MIT
// catalog_writer.c — writes of hooks, stacks and tokens, off the loop; those that wait
// share a transaction, because a commit waits for the disk and costs the same for one
// write as for many.
//
// Happy path: a write goes to the end of the list; a worker thread takes all that
// wait, up to GROUP_MAX, applies them in one transaction and commits it; on the loop
// the next group is started, and the callers are told their results.
//
// If it fails: the transaction is undone, and each write of the group gets one of its
// own, so that only the one that fails gets the error. Nothing of it is stored.

#include "queue/catalog/catalog_writer.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/process/pulse.h"

// A larger group would hardly be faster: the commit is a small part of it then.
#define GROUP_MAX 64

struct catalog_writer {
    struct uv_loop_s *loop;
    struct store *store;
    catalog_undone undone;
    void *data;
    uv_work_t work;
    struct list waiting;
    struct list group; // under way, in the worker thread
    size_t n_group;
};

static struct catalog_write *first_of(const struct list *l)
{
    return LIST_FIRST(l, struct catalog_write, node);
}

static struct catalog_write *after(struct catalog_write *w)
{
    return LIST_NEXT(w, struct catalog_write, node);
}

static struct blamed blame(const struct catalog_write *w)
{
    return blame_begin((enum blame_kind)w->caller.blamed.kind,
                       w->caller.blamed.a, w->caller.blamed.b);
}

static enum err apply_one(struct catalog_write *w, MDB_txn *txn)
{
    struct blamed before = blame(w);
    enum err err;

    w->result = (struct catalog_result){ 0 };
    err = w->apply(w, txn);
    blame_end(before);
    return err;
}

// Writes from `w` up to `end` in one transaction.
static enum err write_together(struct catalog_writer *cw,
                               struct catalog_write *w,
                               const struct catalog_write *end)
{
    MDB_txn *txn;
    enum err err = store_write(cw->store, &txn);

    if (err != OK)
        return err;
    for (; err == OK && w != end; w = after(w))
        err = apply_one(w, txn);
    err = store_write_end(cw->store, txn, err);
    if (err != OK)
        cw->undone(cw->data);
    return err;
}

static void set_error(struct catalog_write *w, enum err err)
{
    w->result = (struct catalog_result){ .err = err, .share = w->result.share };
}

static void on_work(uv_work_t *work)
{
    struct catalog_writer *cw = work->data;
    int cell = pulse_disk_begin();
    enum err err = write_together(cw, first_of(&cw->group), NULL);
    // What was committed into lost files must not be tried again: it is there.
    bool is_common = err == OK || err == ERR_LOST || cw->n_group == 1;

    for (struct catalog_write *w = first_of(&cw->group); w != NULL;
         w = after(w)) {
        if (!is_common)
            err = write_together(cw, w, after(w));
        if (err != OK)
            set_error(w, err);
    }
    pulse_disk_end(cell);
}

static void on_work_done(uv_work_t *work, int status);

// Starts the next group, if there is one and none is under way.
static void start(struct catalog_writer *cw)
{
    struct catalog_write *w;

    while (cw->n_group < GROUP_MAX &&
           (w = LIST_POP(&cw->waiting, struct catalog_write, node)) != NULL) {
        list_push(&cw->group, &w->node);
        cw->n_group++;
    }
    if (cw->n_group > 0 &&
        uv_queue_work(cw->loop, &cw->work, on_work, on_work_done) != 0)
        log_panic("no worker thread", "");
}

static void on_work_done(uv_work_t *work, int status)
{
    struct catalog_writer *cw = work->data;
    struct list done = cw->group;
    struct catalog_write *w;

    assert(status == 0);
    cw->group = (struct list){ 0 };
    cw->n_group = 0;
    start(cw); // before the callbacks, so that the disk does not wait for them
    while ((w = LIST_POP(&done, struct catalog_write, node)) != NULL) {
        w->caller.done(w->caller.data, &w->result);
        if (w->clear != NULL)
            w->clear(w);
        arena_clear(&w->arena);
        free(w);
    }
}

struct catalog_writer *catalog_writer_new(struct uv_loop_s *loop,
                                          struct store *store,
                                          catalog_undone undone, void *data)
{
    struct catalog_writer *cw = xcalloc(1, sizeof(*cw));

    cw->loop = loop;
    cw->store = store;
    cw->undone = undone;
    cw->data = data;
    cw->work.data = cw;
    return cw;
}

void *catalog_write_new(size_t n_bytes, catalog_apply apply,
                        const struct catalog_caller *caller)
{
    struct catalog_write *w = xcalloc(1, n_bytes);

    w->apply = apply;
    w->caller = *caller;
    return w;
}

void catalog_writer_add(struct catalog_writer *cw, struct catalog_write *w)
{
    list_push(&cw->waiting, &w->node);
    if (cw->n_group == 0)
        start(cw);
}
