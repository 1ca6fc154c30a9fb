// shard_trim.c — removes history and dead letters that are past retention.
//
// The history is in the order of time. Two marks walk it: up to one of them
// delivered attempts are gone, up to the other the rest. Dead letters lie by
// hook, so they are looked at in turns, some at a time.

#include <string.h>

#include "common/codec.h"
#include "queue/shard.h"

#define TRIM_KEEP UINT64_C(1) // the newest number is never reused

static int remove_row(struct shard *s, MDB_txn *txn, unsigned db, MDB_val key)
{
    int rc = mdb_del(txn, s->store->dbs[db], &key, NULL);

    return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum err remove_attempt(struct shard *s, MDB_txn *txn, uint64_t no,
                               const struct attempt *a)
{
    uint8_t row[8] = { 0 };
    uint8_t by_hook[BY_HOOK_KEY_BYTES] = { 0 };
    uint8_t by_event[BY_EVENT_KEY_BYTES] = { 0 };
    int rc;

    put_be64(row, no);
    put_be64(by_hook, a->hook_no);
    memcpy(by_hook + 8, row, sizeof(row));
    memcpy(by_event, a->position.bytes, 8);
    memcpy(by_event + 8, by_hook, sizeof(by_hook));
    rc = remove_row(s, txn, SHARD_BY_HOOK, val_at(by_hook, sizeof(by_hook)));
    if (rc == 0) {
        rc = remove_row(s, txn, SHARD_BY_EVENT,
                        val_at(by_event, sizeof(by_event)));
    }
    if (rc == 0) // last: what is known of the attempt lies in its page
        rc = remove_row(s, txn, SHARD_ATTEMPTS, val_at(row, sizeof(row)));
    return store_err(s->store, rc, "remove attempt");
}

// Walks on from `mark`; stops at the first attempt that is young enough.
static enum err trim_attempts(struct shard *s, MDB_txn *txn, bool delivered,
                              int64_t before_us, uint64_t *mark)
{
    MDB_dbi db = s->store->dbs[SHARD_ATTEMPTS];
    enum err err = OK;

    for (size_t i = 0; i < s->trim_max && err == OK; i++) {
        uint8_t from[8] = { 0 };
        struct attempt a;
        MDB_cursor *cursor;
        MDB_val key = val_at(from, sizeof(from));
        MDB_val val;
        bool is_damaged;
        int rc;

        put_be64(from, *mark + TRIM_KEEP);
        rc = mdb_cursor_open(txn, db, &cursor);
        if (rc != 0)
            return store_err(s->store, rc, "trim");
        rc = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
        mdb_cursor_close(cursor);
        if (rc == MDB_NOTFOUND || (rc == 0 && key.mv_size != sizeof(from)))
            return OK;
        if (rc != 0)
            return store_err(s->store, rc, "trim");
        is_damaged = attempt_decode(str_of_val(val), &a) != OK;
        if (!is_damaged && a.started_at_us >= before_us)
            return OK;
        *mark = get_be64(key.mv_data);
        if (!is_damaged && (a.state == DELIVERY_DELIVERED) == delivered)
            err = remove_attempt(s, txn, *mark, &a);
    }
    return err;
}

static enum err trim_dead(struct shard *s, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key = val_at(s->trim_dead_key, sizeof(s->trim_dead_key));
    MDB_val val;
    int rc = mdb_cursor_open(txn, s->store->dbs[SHARD_DEAD], &cursor);

    if (rc != 0)
        return store_err(s->store, rc, "trim");
    rc = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
    for (size_t i = 0; i < s->trim_max && rc == 0; i++) {
        struct dead_row row;

        memcpy(s->trim_dead_key, key.mv_data, sizeof(s->trim_dead_key));
        if (dead_decode(str_of_val(key), str_of_val(val), &row) == OK &&
            row.dead_at_ms < s->trim_others_us / 1000) {
            rc = mdb_cursor_del(cursor, 0);
            s->fresh.counts[COUNT_DEAD_EXPIRED]++;
            key = val_at(s->trim_dead_key, sizeof(s->trim_dead_key));
            if (rc == 0)
                rc = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
        } else {
            rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
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

enum err shard_trim_rows(struct shard *s)
{
    MDB_txn *txn;
    enum err err = store_write(s->store, &txn);

    if (err != OK)
        return err;
    s->fresh = s->state;
    err = trim_attempts(s, txn, true, s->trim_delivered_us,
                        &s->fresh.trimmed_delivered);
    if (err == OK) {
        err = trim_attempts(s, txn, false, s->trim_others_us,
                            &s->fresh.trimmed_others);
    }
    if (err == OK)
        err = trim_dead(s, txn);
    if (err == OK && !has_trimmed(s)) {
        mdb_txn_abort(txn); // nothing to remove
        return OK;
    }
    if (err == OK)
        err = shard_put_state(s->store, txn, &s->fresh);
    if (err == OK)
        return store_commit(s->store, txn);
    mdb_txn_abort(txn);
    return err;
}
