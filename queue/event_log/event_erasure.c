// SPDX-License-Identifier: MIT
// event_erasure.c — removes all that the event log has of an organization, in small steps.
//
// Happy path: the whole log is walked through once, from the front; events of the
// organization are removed with the rows of their keys; then its names. The step that
// finds nothing left destroys the key of the organization's payloads, and notes in its transaction that the erasure is done here.
//
// If it fails: the step is undone, and the next second begins the walk anew. So does a
// restart: where a step ended is in memory only.

#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/files/payload_keys.h"
#include "common/process/blame.h"
#include "queue/erasure/mark_row.h"
#include "queue/event_log/inside.h"
#include "queue/lmdb/row_changes.h"

#define EVENTS_A_LOOK 64 // events between two looks at the clock
#define NAMES_AT_ONCE 500

enum err event_remove(struct event_log *log, MDB_txn *txn, MDB_cursor *cursor,
                      struct position at, struct str id_key)
{
    uint8_t copy[EVENT_KEY_BYTES];
    enum err err = OK;

    if (id_key.n_bytes == sizeof(copy)) {
        memcpy(copy, id_key.at, sizeof(copy)); // before the page changes
        err = event_key_remove(log->store, txn, copy, at);
    }
    return err == OK
               ? store_err(log->store, row_cursor_del(cursor), "trim events")
               : err;
}

struct erase_step {
    struct event_log *log;
    MDB_txn *txn;
    MDB_cursor *cursor;
    struct str org;
    int64_t until_us;
    size_t n_seen, n_removed, n_bytes;
};

static bool is_over(const struct erase_step *s)
{
    return s->n_bytes >= TRIM_STEP_BYTES ||
           (s->n_seen > 0 && s->n_seen % EVENTS_A_LOOK == 0 &&
            clock_mono_us() >= s->until_us);
}

// Removes the event if it is the organization's. A damaged one, and one that processes
// died with, cannot be told, and stays.
static enum err look_at(struct erase_step *s, struct position at, MDB_val val)
{
    struct event_log *log = s->log;
    uint64_t number = position_number(at);
    uint32_t place = store_place(log->store, EVENTS_EVENTS,
                                 val_at(at.bytes, sizeof(at.bytes)));
    struct event event;
    struct str id_key;

    s->n_seen++;
    blame_begin(BLAME_EVENT, 0, number);
    if (blame_deaths(BLAME_EVENT, 0, number) >= BLAME_ASIDE ||
        !store_value_is_in_place(log->store, val) ||
        event_decode(place, str_of_val(val), &event, &id_key) != OK ||
        !str_eq(event.org, s->org))
        return OK;
    s->n_removed++;
    s->n_bytes += val.mv_size;
    return event_remove(log, s->txn, s->cursor, at, id_key);
}

// Walks on up to `end`. True in `is_end`: it is reached.
static enum err walk(struct erase_step *s, uint64_t end, bool *is_end)
{
    struct event_erasing *e = &s->log->erasing;
    enum err err = OK;

    *is_end = false;
    while (err == OK && !is_over(s)) {
        struct position at = position_of(e->from);
        MDB_val key = val_at(at.bytes, sizeof(at.bytes));
        MDB_val val;
        int rc = store_seek(s->cursor, &key, &val);

        if (rc == 0 && key.mv_size != sizeof(at.bytes))
            rc = MDB_NOTFOUND;
        if (rc == 0)
            memcpy(at.bytes, key.mv_data, sizeof(at.bytes));
        *is_end = rc == MDB_NOTFOUND || (rc == 0 && position_number(at) > end);
        if (*is_end)
            break;
        err = store_err(s->log->store, rc, "erase events");
        e->from = position_number(at) + 1;
        if (err == OK)
            err = look_at(s, at, val);
    }
    blame_begin(BLAME_NOTHING, 0, 0);
    return err;
}

static enum err erase_events(struct erase_step *s, struct position passed,
                             bool *is_end)
{
    struct event_log *log = s->log;
    const struct event_erasing *e = &log->erasing;
    bool is_all = position_cmp(e->until, passed) <= 0;
    uint64_t end = position_number(is_all ? e->until : passed);
    enum err err =
        store_err(log->store,
                  mdb_cursor_open(s->txn, store_db(log->store, EVENTS_EVENTS),
                                  &s->cursor),
                  "erase events");

    if (err != OK)
        return err;
    err = walk(s, end, is_end);
    mdb_cursor_close(s->cursor);
    log->erasing.has_more = !*is_end || is_all;
    *is_end = *is_end && is_all;
    return err;
}

enum err event_erase_some(struct event_log *log, MDB_txn *txn,
                          struct position passed, bool *changed)
{
    struct event_erasing *e = &log->erasing;
    struct erase_step step = { .log = log,
                               .txn = txn,
                               .org = { e->org, e->n_org_bytes },
                               .until_us = clock_mono_us() + TRIM_STEP_US };
    struct erasure_mark mark;
    size_t n_names = 0;
    bool is_end = false;
    enum err err = mark_row_get(log->store, txn, EVENTS_META, &mark);

    if (err == OK && !id_eq(&mark.id, &e->id))
        mark = (struct erasure_mark){ .id = e->id };
    if (err == OK)
        err = erase_events(&step, passed, &is_end);
    if (err == OK && is_end) {
        err = stacks_remove(log->store, txn, EVENTS_STACKS, step.org,
                            NAMES_AT_ONCE, &n_names);
        stacks_forget(&log->seen);
        mark.is_done = n_names < NAMES_AT_ONCE;
    }
    if (err == OK && mark.is_done && log->config.payload_keys != NULL &&
        payload_keys_destroy(log->config.payload_keys, step.org) != OK)
        err = ERR_AGAIN;
    *changed = step.n_removed + n_names > 0 || mark.is_done;
    if (err != OK || !*changed)
        return err;
    if (mark.is_done) {
        e->n_org_bytes = 0; // on_trim() begins anew if the commit fails
        e->has_more = false;
    }
    mark.n_removed += step.n_removed;
    return mark_row_put(log->store, txn, EVENTS_META, &mark);
}
