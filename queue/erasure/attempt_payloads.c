// SPDX-License-Identifier: MIT
// attempt_payloads.c — erases what the history has of payloads.
//
// The attempts of an event are found by their index. Each record is replaced by one without
// the texts that may have something of the payload: a receiver may answer with what it got,
// and headers carry attributes of the event. A damaged record is removed.

#include "queue/erasure/attempt_payloads.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/erasure/erased_payloads.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

struct step {
    struct store *s;
    MDB_txn *txn;
    struct buf record;
    size_t n, max;
};

static enum err erase_attempt(struct step *step, struct payload_work *work,
                              uint64_t no)
{
    uint8_t bytes[8];
    MDB_val key = val_at(bytes, sizeof(bytes));
    struct store *s = step->s;
    struct attempt a;
    MDB_val val;
    int rc;

    put_be64(bytes, no);
    rc = mdb_get(step->txn, store_db(s, SHARD_ATTEMPTS), &key, &val);
    if (rc == MDB_NOTFOUND)
        return OK;
    if (rc != 0)
        return store_err(s, rc, "erase payload");
    if (!store_value_is_in_place(s, val)) { // its pages are another's
        work->has_left = true;
        return OK;
    }
    if (attempt_decode(store_place(s, SHARD_ATTEMPTS, key), str_of_val(val),
                       &a) != OK) {
        rc = row_del(step->txn, store_db(s, SHARD_ATTEMPTS), &key);
        return store_err(s, rc, "erase payload");
    }
    if (!id_eq(&a.event_id, &work->erase[work->at].event_id))
        return OK;
    a.request_headers = STR_EMPTY;
    a.response_headers = STR_EMPTY;
    a.response_body = STR_EMPTY;
    a.payload = STR_EMPTY;
    a.sealed = STR_EMPTY;
    buf_reset(&step->record);
    attempt_encode(&a, &step->record);
    return store_err(
        s,
        store_put(s, step->txn, SHARD_ATTEMPTS, key, buf_str(&step->record), 0),
        "erase payload");
}

// The next attempt of the event, from the hook and number in `work` on.
static int next_attempt(const struct step *step, struct payload_work *work)
{
    uint8_t bytes[BY_EVENT_KEY_BYTES];
    MDB_val key = val_at(bytes, sizeof(bytes));
    const uint8_t *at;
    MDB_cursor *cursor;
    MDB_val val;
    int rc =
        mdb_cursor_open(step->txn, store_db(step->s, SHARD_BY_EVENT), &cursor);

    if (rc != 0)
        return rc;
    memcpy(bytes, work->erase[work->at].position.bytes, 8);
    put_be64(bytes + 8, work->from_hook);
    put_be64(bytes + 16, work->from_no);
    rc = store_seek(cursor, &key, &val);
    if (rc == 0 &&
        (key.mv_size != sizeof(bytes) ||
         memcmp(key.mv_data, work->erase[work->at].position.bytes, 8) != 0))
        rc = MDB_NOTFOUND;
    if (rc == 0) {
        at = key.mv_data;
        work->from_hook = get_be64(at + 8);
        work->from_no = get_be64(at + 16);
    }
    mdb_cursor_close(cursor);
    return rc;
}

// True in `is_end`: the event has no more attempts.
static enum err erase_event(struct step *step, struct payload_work *work,
                            bool *is_end)
{
    *is_end = false;
    while (step->n < step->max) {
        int rc = next_attempt(step, work);
        enum err err;

        *is_end = rc == MDB_NOTFOUND;
        if (rc != 0)
            return *is_end ? OK : store_err(step->s, rc, "erase payload");
        err = erase_attempt(step, work, work->from_no++);
        if (err != OK)
            return err;
        step->n++;
    }
    return OK;
}

enum err attempt_payloads_erase(struct store *s, MDB_txn *txn,
                                struct payload_work *work, size_t max,
                                bool *has_more)
{
    struct step step = { .s = s, .txn = txn, .max = max };
    bool is_end = true;
    enum err err = OK;

    buf_init(&step.record, 0);
    while (err == OK && is_end && work->at < work->n_erase) {
        err = erase_event(&step, work, &is_end);
        if (err != OK || !is_end)
            break;
        if (work->has_left) {
            log_warn("attempts of an event cannot be erased: their pages are "
                     "others'; "
                     "run posthorn repair",
                     "position=%" PRIu64,
                     position_number(work->erase[work->at].position));
        } else {
            err = erased_payload_put(s, txn, SHARD_META,
                                     work->erase[work->at].position);
        }
        work->at++;
        work->has_left = false;
        work->from_hook = 0;
        work->from_no = 0;
    }
    buf_clear(&step.record);
    if (err == OK)
        err = erased_payloads_forget(s, txn, SHARD_META, work);
    *has_more = *has_more || (err == OK && work->at < work->n_erase);
    if (err != OK)
        payload_work_anew(work);
    return err;
}
