// SPDX-License-Identifier: MIT
// event_log.c — the writing end of the event log.
//
// Happy path: requests queue up; if no commit is under way, waiting requests become one
// batch (next_commit.h says which); a worker thread looks up their idempotency keys,
// puts their events and commits; on the loop each request is called back, and the next
// batch starts. While several organizations post, a large request takes several commits
// (parts.h).
//
// If it fails: a request with a conflict is left out, and the others are committed;
// so is one whose organization's key for payloads cannot be used.
// If the commit fails, all requests of the batch get its error, and nothing of them
// is stored.

#include "queue/event_log/event_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"
#include "queue/chain/chain_link.h"
#include "queue/erasure/mark_row.h"
#include "queue/event_log/inside.h"
#include "queue/event_log/next_commit.h"
#include "queue/event_log/parts.h"
#include "queue/event_log/put_events.h"
#include "queue/event_rows/hidden.h"
#include "queue/event_rows/idempotency.h"
#include "queue/event_rows/log_end.h"
#include "queue/lmdb/identity.h"
#include "queue/records/queue_config.h"

#define RESERVE_PERCENT 10 // of the map, kept for trimming

static bool has_room(struct event_log *log)
{
    MDB_envinfo info;
    MDB_stat stat;
    uint64_t limit_bytes =
        store_map_bytes(log->store) / 100 * (100 - RESERVE_PERCENT);
    uint64_t used_bytes;

    if (mdb_env_info(store_env(log->store), &info) != 0 ||
        mdb_env_stat(store_env(log->store), &stat) != 0)
        return false;
    if ((info.me_last_pgno + 1) * stat.ms_psize < limit_bytes)
        return true; // free pages need not be counted
    // LMDB lets only read transactions read its list of free pages.
    return store_usage_now(log->store, &used_bytes) == OK &&
           used_bytes < limit_bytes;
}

// --- in the worker ---

static enum err put_appends(struct event_log *log, MDB_txn *txn)
{
    bool is_last = !parts_are_stored(&log->parts);

    for (struct append *a = LIST_FIRST(&log->batch, struct append, turn.node);
         a != NULL; a = LIST_NEXT(a, struct append, turn.node)) {
        struct blamed before = blame_begin((enum blame_kind)a->blamed.kind,
                                           a->blamed.a, a->blamed.b);

        a->err = events_put(log, txn, a, is_last);
        blame_end(before);
        if (a->err != OK && a->err != ERR_CONFLICT && a->err != ERR_AGAIN)
            return a->err;
    }
    return OK;
}

static enum err try_batch(struct event_log *log)
{
    uint64_t next_before = log->next;
    struct parts_state parts_before = log->parts.now;
    MDB_txn *txn;
    enum err err = store_write(log->store, &txn);

    if (err != OK)
        return err;
    err = put_appends(log, txn);
    if (err == OK && log->parts.is_in_commit)
        err = parts_work(log, txn);
    if (err == OK)
        err = event_put_next(log->store, txn, log->next);
    err = store_write_end(log->store, txn, err);
    if (err != OK && err != ERR_LOST) { // ERR_LOST: committed
        log->next = next_before;
        log->parts.now = parts_before;
    }
    if (err != OK)
        stacks_forget(&log->seen);
    return err;
}

// Whether the commit puts events. Removing them, or the move of the log's end, may use
// what has_room() keeps.
static bool needs_room(const struct event_log *log)
{
    return log->batch.first != NULL || log->parts.now.phase == PARTS_PUT;
}

// Returns the result of the whole batch; a conflict concerns its own request only.
static enum err put_batch(struct event_log *log)
{
    enum err err;

    if (!store_is_in_place(log->store))
        return ERR_LOST;
    if (needs_room(log) && !has_room(log))
        return ERR_FULL;
    err = try_batch(log);
    // There is free space, and yet it did not fit: pages may have to be released
    // first.
    if (err == ERR_FULL &&
        store_turn(log->store, store_db(log->store, EVENTS_META)))
        err = try_batch(log);
    return err;
}

static void on_work(uv_work_t *work)
{
    struct event_log *log = work->data;
    int cell = pulse_disk_begin();

#ifdef POSTHORN_ACK_EARLY
    event_log_be_late();
#endif
    log->batch_err = put_batch(log);
    pulse_disk_end(cell);
}

// --- on the loop ---

static void go_on(struct event_log *log);

// The append is done, or withdrawn.
static void leave(struct event_log *log, struct append *a)
{
    list_remove(&log->all, &a->all);
    log->n_pending--;
}

static void on_batch_done(uv_work_t *work, int status)
{
    struct event_log *log = work->data;
    struct list batch = log->batch;
    struct append *in_parts = NULL; // an append that was in parts and has ended
    struct append *a;
    enum err batch_err = log->batch_err; // the next batch will set it
    enum err parts_err = OK;
    int64_t took_us = clock_mono_us() - log->work_started_us;

    assert(status == 0);
    metrics_observe_us(HISTOGRAM_COMMIT_SECONDS, took_us);
    log->batch = (struct list){ NULL, NULL };
    log->is_busy = false;
    if (batch_err == OK)
        log->end = position_of(log->next - 1);
    if (batch_err == OK && parts_are_open(&log->parts))
        parts_fit_size(&log->parts, took_us);
    if (log->parts.is_in_commit)
        in_parts = parts_after(&log->parts, batch_err, &parts_err);
    go_on(log); // before the callbacks, so that the disk does not wait for them
    while ((a = LIST_POP(&batch, struct append, turn.node)) != NULL) {
        leave(log, a);
        a->done(a, batch_err != OK ? batch_err : a->err);
    }
    if (in_parts != NULL) {
        leave(log, in_parts);
        in_parts->done(in_parts, parts_err);
    }
}

// False: nothing waits that may be committed now.
static bool start_batch(struct event_log *log)
{
    if (!next_commit_choose(log))
        return false;
    log->hasher.removed_from = parts_removed_from(&log->parts);
    log->is_busy = true;
    log->work_started_us = clock_mono_us();
    if (uv_queue_work(log->loop, &log->work, on_work, on_batch_done) != 0)
        log_panic("a worker thread cannot be started", "");
    return true;
}

// A waiting batch goes between two steps of a trim.
static void after_trim(struct event_log *log)
{
    log->is_trim_wanted = log->has_more_to_trim;
    if (!log->has_more_to_trim || !start_batch(log))
        go_on(log);
}

// Starts a trim or the next batch, if one is wanted and the worker is free.
static void go_on(struct event_log *log)
{
    if (log->is_busy)
        return;
    if (log->is_trim_wanted) { // first, since under load there is always a batch
        event_log_start_trim(log, after_trim);
    } else {
        (void)start_batch(log);
    }
}

void event_log_append(struct event_log *log, struct append *a)
{
#ifdef POSTHORN_ACK_EARLY
    a = event_log_ack_early(log, a);
#endif
    next_commit_add(log, a);
    list_push(&log->all, &a->all);
    log->n_pending++;
    go_on(log);
}

void event_log_trim(struct event_log *log, const struct event_retention *keep,
                    size_t max)
{
    log->parts.is_resting = false;
    go_on(log);
    if (log->is_trimming || log->is_trim_wanted ||
        (log->erasing.n_org_bytes == 0 && !event_log_is_trim_due(log, keep)))
        return;
    log->keep = *keep;
    log->trim_max = max;
    log->is_trim_wanted = true;
    go_on(log);
}

bool event_log_take_back(struct event_log *log, struct append *a)
{
    const struct list_node *n = log->waiting.first;

    while (n != NULL && n != &a->turn.node)
        n = n->next;
    if (n == NULL)
        return false;
    list_remove(&log->waiting, &a->turn.node);
    leave(log, a);
    return true;
}

bool event_log_is_awaited(const struct event_log *log, struct str org)
{
    for (const struct append *a = LIST_FIRST(&log->all, struct append, all);
         a != NULL; a = LIST_NEXT(a, struct append, all)) {
        if (a->n_events > 0 && str_eq(a->events[0].event.org, org))
            return true;
    }
    return false;
}

enum err event_log_erase(struct event_log *log, const struct id *erasure,
                         struct str org)
{
    struct event_erasing *e = &log->erasing;
    struct erasure_mark mark;
    enum err err;

    if (log->is_trimming)
        return OK; // the worker uses it; the next call begins
    if (e->n_org_bytes > 0 && id_eq(&e->id, erasure))
        return OK;
    if (org.n_bytes == 0 || org.n_bytes > sizeof(e->org))
        return ERR_INVALID;
    err = mark_row_read(log->store, EVENTS_META, &mark);
    if (err != OK || erasure_mark_is_done(&mark, erasure))
        return err;
    *e = (struct event_erasing){ .id = *erasure,
                                 .n_org_bytes = org.n_bytes,
                                 .until = log->end };
    memcpy(e->org, org.at, org.n_bytes);
    return OK;
}

int64_t event_log_busy_us(const struct event_log *log)
{
    return log->is_busy ? clock_mono_us() - log->work_started_us : 0;
}

size_t event_log_pending(const struct event_log *log)
{
    return log->n_pending;
}

int64_t event_log_last_us(const struct event_log *log)
{
    return log->last_us;
}

struct position event_log_end(const struct event_log *log)
{
    return log->end;
}

enum err event_log_usage(struct event_log *log, uint64_t *n_bytes)
{
    return store_usage_now(log->store, n_bytes);
}

// The process before may have been killed while it stored a post in parts.
static enum err resume_parts(struct event_log *log)
{
    struct hidden hidden = { .is_there = false };
    uint64_t next = 1;
    MDB_txn *txn;
    enum err err = store_write(log->store, &txn);

    if (err != OK)
        return err;
    err = event_next(log->store, txn, &next);
    if (err == OK)
        err = hidden_get(log->store, txn, &hidden);
    if (err == OK && !hidden.is_whole) {
        if (hidden.is_there && hidden.from >= next)
            parts_resume_undo(&log->parts, hidden.from);
        mdb_txn_abort(txn);
        return OK;
    }
    if (err == OK)
        err = hidden_show(log->store, txn, &next);
    if (err == OK)
        err = event_put_next(log->store, txn, next);
    return store_write_end(log->store, txn, err);
}

// If the last event cannot be read, its time stays 0.
static void read_last(struct event_log *log, MDB_txn *txn)
{
    struct str id_key;
    struct event e;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;

    if (mdb_cursor_open(txn, store_db(log->store, EVENTS_EVENTS), &cursor) != 0)
        return;
    if (mdb_cursor_get(cursor, &key, &val, MDB_LAST) == 0 &&
        store_value_is_mapped(log->store, key) &&
        store_value_is_mapped(log->store, val) &&
        store_value_is_in_place(log->store, val) &&
        event_decode(store_place(log->store, EVENTS_EVENTS, key),
                     str_of_val(val), &e, &id_key) == OK)
        log->last_us = e.accepted_at_us;
    mdb_cursor_close(cursor);
}

static enum err read_next(struct event_log *log)
{
    struct missing missing[MISSING_MAX];
    size_t n_missing = 0;
    MDB_txn *txn;
    enum err err = store_read(log->store, &txn);

    if (err != OK)
        return err;
    err = event_next(log->store, txn, &log->next);
    if (err == OK && missing_get(log->store, txn, missing, &n_missing) == OK) {
        metrics_gauge(GAUGE_EVENTS_MISSING,
                      (int64_t)missing_sum(missing, n_missing));
    }
    read_last(log, txn);
    store_read_end(log->store);
    log->end = position_of(log->next - 1);
    return err;
}

enum err event_log_open(const struct queue_config *config,
                        struct uv_loop_s *loop, struct event_log **out)
{
    struct event_log *log = xcalloc(1, sizeof(*log));
    char *dir = xasprintf("%s/events", config->data_dir);
    enum err err = store_open(dir, config->max_bytes, false, events_dbs,
                              EVENTS_DBS, &log->store);

    free(dir);
    if (err == OK)
        err = identity_check(config, 0, log->store);
    if (err == OK)
        err = chain_link_attach(config, 0, log->store);
    if (err == OK)
        err = event_hasher_open(config, log->store, &log->hasher);
    if (err == OK)
        err = resume_parts(log);
    if (err == OK)
        err = read_next(log);
    if (err != OK) {
        free(log);
        return err;
    }
    log->config = *config;
    log->config.data_dir = xstrdup(config->data_dir);
    log->loop = loop;
    log->work.data = log;
    buf_init(&log->record, 0);
    buf_init(&log->sealed, 0);
    *out = log;
    return OK;
}
