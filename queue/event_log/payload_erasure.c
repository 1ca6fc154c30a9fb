// SPDX-License-Identifier: MIT
// payload_erasure.c — erases payloads in the event log, as orders say.
//
// The record of the event is replaced by one that has neither payload nor attributes nor
// trace context, under the same position; the row of its key stays, so that a repetition of
// the post is still one. What is damaged is removed, since nobody can read it.
//
// If it fails: the step is undone, and the next second reads the orders again.

#include "queue/event_log/payload_erasure.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/process/blame.h"
#include "queue/erasure/erased_payloads.h"
#include "queue/event_log/inside.h"

void event_log_work_orders(struct event_log *log, struct hook_store *hooks)
{
    enum err err;

    if (log->is_trimming)
        return; // the worker uses what was read; the next call reads
    err = payload_work_read(hooks, log->store, EVENTS_META, &log->payloads);
    if (err == OK)
        return;
    log->payloads.n_erase = 0;
    log->payloads.n_forget = 0;
    log_warn("orders to erase payloads cannot be read", "reason=%s",
             log_quote(str_of(err_str(err))));
}

bool payloads_are_due(const struct event_log *log)
{
    return log->payloads.n_erase + log->payloads.n_forget > 0;
}

static enum err replace(struct event_log *log, MDB_txn *txn, MDB_val key,
                        struct event *e, struct str id_key)
{
    e->payload = STR_EMPTY;
    e->cloud = STR_EMPTY;
    e->trace = STR_EMPTY;
    e->flags = EVENT_PAYLOAD_ERASED;
    e->erased_at_ms = clock_now_ms();
    buf_reset(&log->record);
    event_encode(e, id_key.n_bytes > 0 ? (const uint8_t *)id_key.at : NULL,
                 &log->record);
    return store_err(log->store,
                     store_put(log->store, txn, EVENTS_EVENTS, key,
                               buf_str(&log->record), 0),
                     "erase payload");
}

// False in `is_done`: it cannot be erased.
static enum err erase(struct event_log *log, MDB_txn *txn, MDB_cursor *cursor,
                      const struct payload_to_erase *what, bool *is_done)
{
    struct position at = what->position;
    MDB_val key = val_at(at.bytes, sizeof(at.bytes));
    struct event e;
    struct str id_key;
    MDB_val val;
    int rc = mdb_cursor_get(cursor, &key, &val, MDB_SET);

    *is_done = true;
    if (rc == MDB_NOTFOUND)
        return OK; // retention removed it
    if (rc != 0)
        return store_err(log->store, rc, "erase payload");
    key = val_at(at.bytes, sizeof(at.bytes));
    if (!store_value_is_in_place(log->store, val)) {
        log_warn("a payload cannot be erased: its pages are another event's; "
                 "run posthorn repair",
                 "position=%" PRIu64, position_number(at));
        *is_done = false;
        return OK;
    }
    log->n_erased_bytes += val.mv_size;
    if (blame_deaths(BLAME_EVENT, 0, position_number(at)) >= BLAME_ASIDE ||
        event_decode_at(store_place(log->store, EVENTS_EVENTS, key),
                        str_of_val(key), str_of_val(val), &e, &id_key) != OK)
        return event_remove(log, txn, cursor, at, STR_EMPTY);
    return event_is_erased(&e) || !id_eq(&e.id, &what->event_id)
               ? OK
               : replace(log, txn, key, &e, id_key);
}

enum err payloads_work(struct event_log *log, MDB_txn *txn)
{
    struct payload_work *work = &log->payloads;
    MDB_cursor *cursor;
    enum err err;

    if (!payloads_are_due(log))
        return OK;
    err = store_err(
        log->store,
        mdb_cursor_open(txn, store_db(log->store, EVENTS_EVENTS), &cursor),
        "erase payload");
    if (err != OK)
        return err;
    log->n_erased_bytes = 0;
    for (size_t i = 0; i < work->n_erase && err == OK &&
                       log->n_erased_bytes < TRIM_STEP_BYTES;
         i++) {
        struct position at = work->erase[i].position;
        bool is_done;

        blame_begin(BLAME_EVENT, 0, position_number(at));
        err = erase(log, txn, cursor, &work->erase[i], &is_done);
        if (err == OK && is_done)
            err = erased_payload_put(log->store, txn, EVENTS_META, at);
    }
    blame_begin(BLAME_NOTHING, 0, 0);
    mdb_cursor_close(cursor);
    if (err == OK)
        err = erased_payloads_forget(log->store, txn, EVENTS_META, work);
    work->n_erase =
        0; // what is left, and after a commit that fails all, is read again
    work->n_forget = 0;
    return err;
}
