// SPDX-License-Identifier: MIT
// parts.c — a large post is stored in parts, with commits of others in between.
//
// Happy path: parts are stored behind the log's end, where nobody sees them; with the
// last one the row "open" says that all are there; then each commit moves the log's end
// over some of them; with the last one the row goes away, and the post is answered.
//
// If it fails: a conflict or a full disk ends the post; its parts are removed in as
// many commits. After a crash the next start does that, or makes all of them visible
// (hidden.h).

#include "queue/event_log/parts.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "queue/event_log/inside.h"
#include "queue/event_log/put_events.h"
#include "queue/event_rows/hidden.h"

// Numbers are 48 bits in an id: with a gap like these for each part, a thousand parts a
// second would last for eight years.
#define FIRST_GAP 16384 // for events of others while parts are stored
#define GAP       1024  // between two parts
// Of a part.
#define WEIGHT_FIRST 512
#define WEIGHT_MIN   256
#define WEIGHT_MAX   16384
// Made visible in one commit; some milliseconds of work for a dispatcher.
#define SHOW_EVENTS 1024
#define UNDO_BYTES  ((size_t)1024 * 1024) // removed in one commit

static size_t weight_of(const struct new_event *ne)
{
    return 1 + event_stored_bytes(&ne->event) / 1024;
}

size_t parts_weight(const struct append *a)
{
    size_t weight = 0;

    for (size_t i = 0; i < a->n_events; i++)
        weight += weight_of(&a->events[i]);
    return weight;
}

bool parts_are_needed(const struct append *a)
{
    return a->weight > PART_WEIGHT && a->n_events > 1;
}

void parts_open(struct parts *p, struct append *a)
{
    assert(!parts_are_open(p));
    // Each part but the last one reaches the least weight.
    p->ranges = xcalloc(a->weight / WEIGHT_MIN + 1, sizeof(struct parts_range));
    p->now = (struct parts_state){ .phase = PARTS_PUT };
    p->append = a;
    p->org = a->turn.holder_no;
    p->is_others_turn = true;
    p->has_failed = false;
    p->is_resting = false;
}

void parts_resume_undo(struct parts *p, uint64_t from)
{
    assert(!parts_are_open(p));
    p->now = (struct parts_state){ .phase = PARTS_UNDO, .from = from };
}

uint64_t parts_removed_from(const struct parts *p)
{
    return p->now.phase == PARTS_UNDO ? p->now.from : UINT64_MAX;
}

uint64_t parts_room(const struct parts *p, uint64_t next)
{
    const struct parts_state *now = &p->now;

    if (now->phase == PARTS_SHOW && now->n_shown < now->n_ranges)
        return p->ranges[now->n_shown].from - next;
    return now->from != 0 ? now->from - next : UINT64_MAX;
}

bool parts_are_stored(const struct parts *p)
{
    return parts_are_open(p) && p->now.from != 0;
}

// --- in the worker ---

static size_t part_events(const struct parts *p, size_t from)
{
    size_t most = p->weight > 0 ? p->weight : WEIGHT_FIRST;
    const struct append *a = p->append;
    size_t weight = 0;
    size_t n = 0;

    for (; from + n < a->n_events && weight < most; n++)
        weight += weight_of(&a->events[from + n]);
    return n;
}

// The numbers of the events are those from log->next on, for once.
static enum err put_at(struct event_log *log, MDB_txn *txn, struct append *part,
                       struct parts_range *range)
{
    uint64_t next = log->next;
    enum err err;

    log->next = range->from;
    err = events_put(log, txn, part, true);
    range->to = log->next;
    log->next = next;
    return err;
}

static enum err put_part(struct event_log *log, MDB_txn *txn)
{
    struct parts *p = &log->parts;
    struct parts_state *now = &p->now;
    struct append *a = p->append;
    struct append part = { .events = a->events + now->n_put,
                           .n_events = part_events(p, now->n_put),
                           .now_us = a->now_us };
    bool is_first = now->from == 0;
    bool is_whole = now->n_put + part.n_events == a->n_events;
    struct parts_range *range = &p->ranges[now->n_ranges];
    enum err err;

    range->from = is_first ? log->next + FIRST_GAP : now->next + GAP;
    err = put_at(log, txn, &part, range);
    if (err == ERR_CONFLICT || err == ERR_AGAIN) { // it has put nothing
        a->fault = now->n_put + part.fault;
        now->err = err;
        now->phase = is_first ? PARTS_NONE : PARTS_UNDO;
        return OK;
    }
    if (is_first)
        now->from = range->from;
    now->n_put += part.n_events;
    now->next = range->to;
    if (range->to > range->from) // else all were repetitions
        now->n_ranges++;
    if (is_whole)
        now->phase = PARTS_SHOW;
    if (err == OK && (is_first || is_whole))
        err = hidden_put(log->store, txn, now->from, is_whole);
    return err;
}

static enum err show_parts(struct event_log *log, MDB_txn *txn)
{
    struct parts *p = &log->parts;
    struct parts_state *now = &p->now;
    uint64_t n_unused = 0;
    uint64_t n_events = 0;
    enum err err;

    while (now->n_shown < now->n_ranges && n_events < SHOW_EVENTS) {
        const struct parts_range *range = &p->ranges[now->n_shown++];

        assert(range->from >= log->next);
        n_unused += range->from - log->next;
        n_events += range->to - range->from;
        log->next = range->to;
    }
    err = unused_add(log->store, txn, n_unused);
    if (err != OK || now->n_shown < now->n_ranges)
        return err;
    now->phase = PARTS_NONE;
    return hidden_end(log->store, txn);
}

static enum err undo_part(struct event_log *log, MDB_txn *txn)
{
    struct parts_state *now = &log->parts.now;
    bool is_done = false;
    enum err err =
        hidden_remove(log->store, txn, now->from, UNDO_BYTES, &is_done);

    if (err != OK || !is_done)
        return err;
    now->phase = PARTS_NONE;
    return hidden_end(log->store, txn);
}

enum err parts_work(struct event_log *log, MDB_txn *txn)
{
    struct parts *p = &log->parts;
    struct blamed before = { .kind = BLAME_NOTHING };
    enum err err = OK;

    if (p->append != NULL) {
        before = blame_begin((enum blame_kind)p->append->blamed.kind,
                             p->append->blamed.a, p->append->blamed.b);
    }
    switch (p->now.phase) {
    case PARTS_PUT:
        assert(p->append != NULL);
        err = put_part(log, txn);
        break;
    case PARTS_SHOW:
        err = show_parts(log, txn);
        break;
    case PARTS_UNDO:
        err = undo_part(log, txn);
        break;
    case PARTS_NONE:
        break;
    }
    if (p->append != NULL)
        blame_end(before);
    return err;
}

// --- on the loop ---

void parts_fit_size(struct parts *p, int64_t took_us)
{
    size_t weight = p->weight > 0 ? p->weight : WEIGHT_FIRST;

    if (!p->is_in_commit) {
        p->others_us =
            p->others_us > 0 ? (3 * p->others_us + took_us) / 4 : took_us;
        return;
    }
    if (p->now.phase != PARTS_PUT || p->others_us == 0)
        return;
    if (took_us < p->others_us + p->others_us / 4 && weight < WEIGHT_MAX)
        weight *= 2;
    if (took_us > 2 * p->others_us && weight > WEIGHT_MIN)
        weight /= 2;
    p->weight = weight;
}

static struct append *take(struct parts *p)
{
    struct append *a = p->append;

    p->append = NULL;
    return a;
}

// The commit failed, and p->now is as before it; with ERR_LOST it may be as after it.
static struct append *after_failure(struct parts *p, enum err commit_err)
{
    p->has_failed = true;
    p->is_resting = true;
    if (p->now.phase == PARTS_PUT)
        p->now.phase = p->now.from == 0 ? PARTS_NONE : PARTS_UNDO;
    // It is stored, and will be visible when there is room again.
    if (p->now.phase == PARTS_SHOW && commit_err == ERR_FULL)
        return NULL;
    return take(p);
}

struct append *parts_after(struct parts *p, enum err commit_err, enum err *err)
{
    struct append *ended = NULL;

    *err = commit_err;
    if (commit_err != OK) {
        ended = after_failure(p, commit_err);
    } else {
        p->has_failed = false;
        p->is_others_turn = true;
        *err = p->now.err;
        if (p->now.phase == PARTS_NONE || p->now.phase == PARTS_UNDO)
            ended = take(p);
    }
    if (!parts_are_open(p)) {
        free(p->ranges);
        p->ranges = NULL;
    }
    return ended;
}
