// SPDX-License-Identifier: MIT
// event_retention.c — removes old events and idempotency keys, in small steps.

#include <string.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/process/pulse.h"
#include "queue/event_log/inside.h"
#include "queue/event_rows/idempotency.h"
#include "queue/shard/payload_refs.h"

// The beginning of the first block that is not needed, at or after `from`, if
// `from` is before `end`.
static uint64_t pass_needed(struct event_log *log, uint64_t from, uint64_t end)
{
    uint64_t block = from / NEEDED_BLOCK_EVENTS;

    while (from <= end && event_log_needs(log, block))
        from = ++block * NEEDED_BLOCK_EVENTS;
    return from;
}

// The next event that may be removed, from `log->trim_from` on. False: none is
// left.
static bool next_event(struct event_log *log, MDB_cursor *cursor, uint64_t end,
                       struct position *at, MDB_val *val)
{
    uint64_t from = log->trim_from;

    for (;;) {
        struct position p = position_of(from);
        MDB_val key = val_at(p.bytes, sizeof(p.bytes));

        if (store_seek(cursor, &key, val) != 0 ||
            key.mv_size != sizeof(at->bytes))
            return false;
        memcpy(at->bytes, key.mv_data, sizeof(at->bytes));
        from = position_number(*at);
        if (from > end)
            return false;
        if (from / NEEDED_BLOCK_EVENTS == log->trim_block)
            return true; // its block is known not to be needed
        if (!event_log_needs(log, from / NEEDED_BLOCK_EVENTS)) {
            log->trim_block = from / NEEDED_BLOCK_EVENTS;
            return true;
        }
        from = pass_needed(log, from, end);
    }
}

// A date that is further ahead of now than this is wrong.
#define AHEAD_US       INT64_C(3600000000)
#define NEIGHBOURS_MAX 1000 // examined in search of a plausible date

// When the event under the cursor was accepted, if its date is plausible: an event
// with a date in the future was accepted before those after it. INT64_MAX: no later
// date is plausible, either.
static int64_t believed_us(const struct event_log *log, MDB_cursor *cursor,
                           int64_t accepted_at_us)
{
    int64_t latest_us = log->keep.now_us + AHEAD_US;
    MDB_cursor *ahead;
    MDB_val key;
    MDB_val val;
    int rc;

    if (accepted_at_us <= latest_us)
        return accepted_at_us;
    if (mdb_cursor_open(mdb_cursor_txn(cursor), mdb_cursor_dbi(cursor),
                        &ahead) != 0)
        return INT64_MAX;
    accepted_at_us = INT64_MAX;
    rc = mdb_cursor_get(cursor, &key, &val, MDB_GET_CURRENT);
    if (rc == 0)
        rc = mdb_cursor_get(ahead, &key, &val, MDB_SET);
    for (size_t i = 0;
         i < NEIGHBOURS_MAX && rc == 0 && accepted_at_us > latest_us; i++) {
        struct str id_key;
        struct event e;

        rc = mdb_cursor_get(ahead, &key, &val, MDB_NEXT);
        if (rc == 0 && event_decode(store_place(log->store, EVENTS_EVENTS, key),
                                    str_of_val(val), &e, &id_key) == OK)
            accepted_at_us = e.accepted_at_us;
    }
    mdb_cursor_close(ahead);
    return accepted_at_us <= latest_us ? accepted_at_us : INT64_MAX;
}

static bool is_step_full(const struct event_log *log)
{
    return log->n_trimmed == log->trim_max ||
           log->n_trimmed_bytes >= TRIM_STEP_BYTES;
}

// Continues where the last step ended; starts from the front again after it met
// events that stay.
static enum err trim_events(struct event_log *log, MDB_txn *txn,
                            struct position upto, int64_t before_us)
{
    uint64_t end = position_number(upto);
    MDB_cursor *cursor;
    enum err err = store_err(
        log->store,
        mdb_cursor_open(txn, store_db(log->store, EVENTS_EVENTS), &cursor),
        "trim events");

    if (err != OK)
        return err;
    log->n_trimmed = 0;
    log->n_trimmed_bytes = 0;
    log->trim_block = UINT64_MAX;
    while (!is_step_full(log) && err == OK) {
        struct event e;
        struct position at;
        struct str id_key = STR_EMPTY;
        MDB_val val;
        bool is_damaged;

        if (!next_event(log, cursor, end, &at, &val))
            break;
        log->trim_from = position_number(at) + 1;
        // Removing it would free the pages of another value.
        if (!store_value_is_in_place(log->store, val))
            continue;
        blame_begin(BLAME_EVENT, 0, position_number(at));
        if (blame_deaths(BLAME_EVENT, 0, position_number(at)) >= BLAME_ASIDE)
            continue; // it stays
        is_damaged =
            event_decode(store_place(log->store, EVENTS_EVENTS,
                                     val_at(at.bytes, sizeof(at.bytes))),
                         str_of_val(val), &e, &id_key) != OK;
        if (!is_damaged && before_us != INT64_MAX &&
            believed_us(log, cursor, e.accepted_at_us) >= before_us)
            break;
        log->n_trimmed++;
        log->n_trimmed_bytes += val.mv_size;
        err =
            event_remove(log, txn, cursor, at, is_damaged ? STR_EMPTY : id_key);
    }
    blame_begin(BLAME_NOTHING, 0, 0);
    mdb_cursor_close(cursor);
    if (!is_step_full(log))
        log->trim_from = 0;
    return err;
}

static enum err trim(struct event_log *log, MDB_txn *txn, struct position upto,
                     size_t *n_keys)
{
    int64_t before_us = log->keep.before_us;
    uint64_t n_bytes = 0;
    enum err err = store_usage_now(log->store, &n_bytes);

    if (err == OK && n_bytes > log->keep.max_bytes)
        before_us = INT64_MAX;
    if (err == OK)
        err = trim_events(log, txn, upto, before_us);
    if (err == OK) {
        err = event_keys_expire(log->store, txn, log->keep.now_us,
                                log->trim_max, n_keys);
    }
    return err;
}

static void on_trim(uv_work_t *work)
{
    struct event_log *log = work->data;
    int cell = pulse_disk_begin();
    struct position upto = event_log_passed(log);
    size_t n_keys = 0;
    size_t n_old = 0;
    bool has_orders = payloads_are_due(log);
    bool has_erased = false;
    MDB_txn *txn;
    enum err err = store_write(log->store, &txn);

    log->erasing.has_more = false;
    if (err == OK) {
        err = trim(log, txn, upto, &n_keys);
        if (err == OK)
            err = org_ages_trim(log, txn, upto, &n_old);
        if (err == OK)
            err = payloads_work(log, txn);
        if (err == OK && log->erasing.n_org_bytes > 0)
            err = event_erase_some(log, txn, upto, &has_erased);
        if (err == OK &&
            (log->n_trimmed + n_keys + n_old > 0 || has_erased || has_orders)) {
            err = store_commit(log->store, txn);
        } else {
            mdb_txn_abort(txn);
        }
    }
    log->has_more_to_trim =
        err == OK && (is_step_full(log) || n_keys == log->trim_max ||
                      log->erasing.has_more || log->ages.has_more);
    if (err != OK) {
        log->erasing.n_org_bytes = 0; // it begins anew
        org_ages_anew(log);
    }
    if (err == ERR_FULL) { // even to remove, a few pages are needed
        log->has_more_to_trim =
            store_turn(log->store, store_db(log->store, EVENTS_META));
    }
    log->batch_err = err;
    pulse_disk_end(cell);
}

static void on_trimmed(uv_work_t *work, int status)
{
    struct event_log *log = work->data;

    (void)status;
    if (log->batch_err != OK) {
        log_warn("old events cannot be removed", "reason=%s",
                 log_quote(str_of(err_str(log->batch_err))));
    }
    log->is_busy = false;
    log->is_trimming = false;
    log->after_trim(log);
}

bool event_log_is_trim_due(struct event_log *log,
                           const struct event_retention *keep)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    uint64_t n_bytes = 0;
    bool needed;

    if (org_ages_are_due(log, keep->now_us) || payloads_are_due(log))
        return true;
    if (store_read(log->store, &txn) != OK)
        return false;
    needed = store_usage(log->store, txn, &n_bytes) == OK &&
             n_bytes > keep->max_bytes;
    if (mdb_cursor_open(txn, store_db(log->store, EVENTS_EVENTS), &cursor) ==
        0) {
        struct event e;
        struct str id_key;

        if (mdb_cursor_get(cursor, &key, &val, MDB_FIRST) == 0) {
            needed = needed || !store_value_is_mapped(log->store, val) ||
                     event_decode(store_place(log->store, EVENTS_EVENTS, key),
                                  str_of_val(val), &e, &id_key) != OK ||
                     e.accepted_at_us < keep->before_us ||
                     e.accepted_at_us > keep->now_us + AHEAD_US;
        }
        mdb_cursor_close(cursor);
    }
    if (!needed && mdb_cursor_open(txn, store_db(log->store, EVENTS_KEY_TIMES),
                                   &cursor) == 0) {
        needed = mdb_cursor_get(cursor, &key, &val, MDB_FIRST) == 0 &&
                 event_key_is_old(key, keep->now_us);
        mdb_cursor_close(cursor);
    }
    store_read_end(log->store);
    return needed;
}

void event_log_start_trim(struct event_log *log,
                          void (*after)(struct event_log *log))
{
    log->after_trim = after;
    log->is_trim_wanted = false;
    log->is_trimming = true;
    log->is_busy = true;
    log->work_started_us = clock_mono_us();
    if (uv_queue_work(log->loop, &log->work, on_trim, on_trimmed) != 0)
        log_panic("a worker thread cannot be started", "");
}
