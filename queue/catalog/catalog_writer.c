// SPDX-License-Identifier: MIT
// catalog_writer.c — writes of hooks, stacks and tokens, one after another, off the
// loop.
//
// Happy path: a write goes to the end of the list; a worker thread runs the first
// one, which is one transaction; on the loop the next one is started, and the caller
// is told the result.
//
// If it fails: nothing of the write is stored, and the caller gets the error.

#include "queue/catalog/catalog_writer.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/process/pulse.h"

struct catalog_writer {
    struct uv_loop_s *loop;
    uv_work_t work;
    struct catalog_write *first; // under way, if there is one
    struct catalog_write *last;
};

static void on_work(uv_work_t *work)
{
    struct catalog_writer *cw = work->data;
    struct catalog_write *w = cw->first;
    struct blamed before = blame_begin((enum blame_kind)w->caller.blamed.kind,
                                       w->caller.blamed.a, w->caller.blamed.b);
    int cell = pulse_disk_begin();

    w->result.err = w->run(w);
    pulse_disk_end(cell);
    blame_end(before);
}

static void start(struct catalog_writer *cw);

static void on_work_done(uv_work_t *work, int status)
{
    struct catalog_writer *cw = work->data;
    struct catalog_write *w = cw->first;

    assert(status == 0);
    cw->first = w->next;
    if (cw->first == NULL) {
        cw->last = NULL;
    } else {
        start(cw); // before the callback, so that the disk does not wait for it
    }
    w->caller.done(w->caller.data, &w->result);
    if (w->clear != NULL)
        w->clear(w);
    arena_clear(&w->arena);
    free(w);
}

static void start(struct catalog_writer *cw)
{
    if (uv_queue_work(cw->loop, &cw->work, on_work, on_work_done) != 0)
        log_panic("no worker thread", "");
}

struct catalog_writer *catalog_writer_new(struct uv_loop_s *loop)
{
    struct catalog_writer *cw = xcalloc(1, sizeof(*cw));

    cw->loop = loop;
    cw->work.data = cw;
    return cw;
}

void *catalog_write_new(size_t n_bytes, catalog_run run,
                        const struct catalog_caller *caller)
{
    struct catalog_write *w = xcalloc(1, n_bytes);

    w->run = run;
    w->caller = *caller;
    return w;
}

void catalog_writer_add(struct catalog_writer *cw, struct catalog_write *w)
{
    w->next = NULL;
    if (cw->last != NULL) {
        cw->last->next = w;
        cw->last = w;
        return;
    }
    cw->first = w;
    cw->last = w;
    start(cw);
}
