// SPDX-License-Identifier: MIT
// shard_retention.c — removes history and dead letters that are past retention.
//
// The history is in the order of time. Two marks move through it: before one,
// delivered attempts are removed; before the other, all others. Dead letters lie by
// hook, so they are scanned round and round, some at a time.

#include <string.h>

#include "common/base/codec.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"
#include "queue/shard/payload_refs.h"
#include "queue/shard/shard_state.h"

#define TRIM_KEEP UINT64_C(1) // the newest number is never reused

static int remove_row(struct shard *s, MDB_txn *txn, unsigned db, MDB_val key)
{
    int rc = mdb_del(txn, store_db(s->store, db), &key, NULL);

    return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum err remove_attempt(struct shard *s, MDB_txn *txn, uint64_t no,
                               const struct attempt *a)
{
    uint8_t row[8] = { 0 };
    uint8_t by_owner[BY_OWNER_KEY_BYTES] = { 0 };
    uint8_t by_event[BY_EVENT_KEY_BYTES] = { 0 };
    const uint64_t owners[] = { a->hook_id, a->org_id };
    bool is_failed = a->state != DELIVERY_DELIVERED || a->error != ERROR_NONE;
    int rc = 0;

    put_be64(row, no);
    memcpy(by_event, a->position.bytes, 8);
    put_be64(by_event + 8, a->hook_id);
    memcpy(by_event + 16, row, sizeof(row));
    memcpy(by_owner + 8, row, sizeof(row));
    for (size_t i = 0; i < 2 && rc == 0; i++) {
        MDB_val key = val_at(by_owner, sizeof(by_owner));

        put_be64(by_owner, owners[i]);
        rc = remove_row(s, txn, SHARD_BY_OWNER, key);
        if (rc == 0 && is_failed)
            rc = remove_row(s, txn, SHARD_FAILED, key);
    }
    if (rc == 0) {
        rc = remove_row(s, txn, SHARD_BY_EVENT,
                        val_at(by_event, sizeof(by_event)));
    }
    if (rc == 0) // last: the fields of the attempt lie in its page
        rc = remove_row(s, txn, SHARD_ATTEMPTS, val_at(row, sizeof(row)));
    return store_err(s->store, rc, "remove attempt");
}

// The first attempt after `mark`. MDB_NOTFOUND: there is none.
static int next_attempt(struct shard *s, MDB_txn *txn, uint64_t mark,
                        uint64_t *no, MDB_val *val)
{
    uint8_t from[8] = { 0 };
    MDB_val key = val_at(from, sizeof(from));
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, store_db(s->store, SHARD_ATTEMPTS), &cursor);

    if (rc != 0)
        return rc;
    put_be64(from, mark + TRIM_KEEP);
    rc = store_seek(cursor, &key, val);
    if (rc == 0 && key.mv_size != sizeof(from))
        rc = MDB_NOTFOUND;
    if (rc == 0)
        *no = get_be64(key.mv_data);
    mdb_cursor_close(cursor);
    return rc;
}

static uint32_t place_of(const struct shard *s, uint64_t no)
{
    uint8_t key[8];

    put_be64(key, no);
    return store_place(s->store, SHARD_ATTEMPTS, val_at(key, sizeof(key)));
}

// A date that is further ahead of now than this is wrong.
#define AHEAD_US       INT64_C(3600000000)
#define NEIGHBOURS_MAX 1000 // examined in search of a plausible date

// When the attempt was made, if its date is plausible: an attempt with a date in
// the future was made before those after it. INT64_MAX: no later date is plausible,
// either.
static int64_t believed_us(struct shard *s, MDB_txn *txn, uint64_t no,
                           int64_t started_at_us)
{
    int64_t latest_us = s->keep.now_us + AHEAD_US;

    if (started_at_us <= latest_us)
        return started_at_us;
    for (size_t i = 0; i < NEIGHBOURS_MAX; i++) {
        struct attempt a;
        MDB_val val;

        if (next_attempt(s, txn, no, &no, &val) != 0)
            break;
        if (attempt_decode(place_of(s, no), str_of_val(val), &a) == OK &&
            a.started_at_us <= latest_us)
            return a.started_at_us;
    }
    return INT64_MAX;
}

// Moves on from `mark`; stops at the first attempt that is young enough.
static enum err trim_attempts(struct shard *s, MDB_txn *txn, bool delivered,
                              int64_t before_us, uint64_t *mark)
{
    for (size_t i = 0; i < s->trim_max; i++) {
        struct attempt a;
        uint64_t no;
        MDB_val val;
        bool is_damaged;
        enum err err = OK;
        int rc = next_attempt(s, txn, *mark, &no, &val);

        if (rc == MDB_NOTFOUND)
            return OK;
        if (rc != 0)
            return store_err(s->store, rc, "trim");
        // Removing a value that lies in another's place would free that one's
        // pages.
        is_damaged = !store_value_is_in_place(s->store, val) ||
                     attempt_decode(place_of(s, no), str_of_val(val), &a) != OK;
        if (!is_damaged && before_us != INT64_MAX &&
            believed_us(s, txn, no, a.started_at_us) >= before_us)
            return OK;
        *mark = no;
        if (!is_damaged && (a.state == DELIVERY_DELIVERED) == delivered)
            err = remove_attempt(s, txn, no, &a);
        if (err != OK)
            return err;
    }
    s->has_more_to_trim = true;
    return OK;
}

// More space is in use than allowed: removes the oldest, whatever its age,
// delivered attempts first.
static enum err trim_to_size(struct shard *s, MDB_txn *txn)
{
    uint64_t mark = s->fresh.trimmed_delivered;
    uint64_t n_bytes = 0;
    enum err err = store_usage_now(s->store, &n_bytes);

    if (err != OK || n_bytes <= s->keep.max_bytes)
        return err;
    err = trim_attempts(s, txn, true, INT64_MAX, &s->fresh.trimmed_delivered);
    if (err != OK || s->fresh.trimmed_delivered != mark)
        return err;
    return trim_attempts(s, txn, false, INT64_MAX, &s->fresh.trimmed_others);
}

static enum err trim_dead(struct shard *s, MDB_txn *txn)
{
    struct needed needed = { .n = 0 };
    MDB_cursor *cursor;
    MDB_val key = val_at(s->trim_dead_key, sizeof(s->trim_dead_key));
    MDB_val val;
    enum err err = OK;
    int rc = mdb_cursor_open(txn, store_db(s->store, SHARD_DEAD), &cursor);

    if (rc != 0)
        return store_err(s->store, rc, "trim");
    rc = store_seek(cursor, &key, &val);
    for (size_t i = 0; i < s->trim_max && rc == 0 && err == OK; i++) {
        struct dead_row row;

        memcpy(s->trim_dead_key, key.mv_data, sizeof(s->trim_dead_key));
        if (dead_decode(store_place(s->store, SHARD_DEAD, key), str_of_val(key),
                        str_of_val(val), &row) == OK &&
            row.dead_at_ms < s->keep.dead_before_us / 1000) {
            key = val_at(s->trim_dead_key, sizeof(s->trim_dead_key));
            err = needed_del_row(s->store, txn, &needed, SHARD_DEAD, key);
            s->fresh.counts[COUNT_DEAD_EXPIRED]++;
            rc = store_seek(cursor, &key, &val);
        } else {
            rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    if (err == OK)
        err = needed_flush(s->store, txn, &needed);
    if (err != OK)
        return err;
    if (rc == MDB_NOTFOUND) {
        memset(s->trim_dead_key, 0, sizeof(s->trim_dead_key)); // from the front
        rc = 0;
    }
    return store_err(s->store, rc, "trim");
}

static bool has_trimmed(const struct shard *s)
{
    return s->fresh.trimmed_delivered != s->state.trimmed_delivered ||
           s->fresh.trimmed_others != s->state.trimmed_others ||
           s->fresh.counts[COUNT_DEAD_EXPIRED] !=
               s->state.counts[COUNT_DEAD_EXPIRED];
}

static enum err trim(struct shard *s, MDB_txn *txn)
{
    enum err err = trim_attempts(s, txn, true, s->keep.delivered_before_us,
                                 &s->fresh.trimmed_delivered);

    if (err == OK) {
        err = trim_attempts(s, txn, false, s->keep.dead_before_us,
                            &s->fresh.trimmed_others);
    }
    if (err == OK && !s->has_more_to_trim)
        err = trim_to_size(s, txn);
    return err == OK ? trim_dead(s, txn) : err;
}

static enum err try_trim(struct shard *s)
{
    size_t n_stats = 0;
    MDB_txn *txn;
    enum err err = store_write(s->store, &txn);

    if (err != OK)
        return err;
    s->fresh = s->state;
    s->has_more_to_trim = false;
    err = trim(s, txn);
    if (err == OK) {
        err = shard_trim_stats(s->store, txn, s->keep.now_us / 1000000,
                               s->trim_max, &n_stats);
    }
    if (err == OK && n_stats == 0 && !has_trimmed(s)) {
        mdb_txn_abort(txn); // nothing to remove
        return OK;
    }
    if (err == OK)
        err = shard_put_state(s->store, txn, &s->fresh);
    return store_write_end(s->store, txn, err);
}

enum err shard_trim_rows(struct shard *s)
{
    enum err err = try_trim(s);

    if (err == ERR_FULL && store_turn(s->store, store_db(s->store, SHARD_META)))
        err = try_trim(s);
    return err;
}
