// event_trim.c — removes old events and idempotency keys, in small steps.

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "queue/event_keys.h"
#include "queue/event_log.h"

enum err event_next(struct store *s, MDB_txn *txn, uint64_t *next)
{
    static char name[] = "next";
    MDB_val key = val_at(name, sizeof(name) - 1);
    MDB_val val;
    struct position p;
    int rc = mdb_get(txn, s->dbs[EVENTS_META], &key, &val);

    if (rc == MDB_NOTFOUND) {
        *next = 1;
        return OK;
    }
    if (rc != 0)
        return store_err(s, rc, "get next");
    if (val.mv_size != sizeof(p.bytes))
        return ERR_CORRUPT;
    memcpy(p.bytes, val.mv_data, sizeof(p.bytes));
    *next = position_number(p);
    return OK;
}

// What every shard's cursor has passed; the start if a shard cannot be read.
static struct position passed_by_all(struct event_log *log)
{
    struct position least = log->end;

    for (unsigned k = 0; k < log->config.n_shards; k++) {
        struct position cursor;

        if (log->shards[k] == NULL &&
            shard_view_open(&log->config, k, &log->shards[k]) != OK)
            return position_start;
        if (shard_view_cursor(log->shards[k], &cursor) != OK)
            return position_start;
        if (position_cmp(cursor, least) < 0)
            least = cursor;
    }
    return least;
}

// A producer-chosen id is found through its row as long as its event is there.
static enum err remove_key(struct event_log *log, MDB_txn *txn, struct str key,
                           struct position position)
{
    struct key_row row;
    MDB_val k = val_of(key);
    int rc;

    if (key.n_bytes != EVENT_KEY_BYTES ||
        event_key_get(log->store, txn, (const uint8_t *)key.at, &row) != OK ||
        position_cmp(row.position, position) != 0)
        return OK;
    rc = mdb_del(txn, log->store->dbs[EVENTS_KEYS], &k, NULL);
    return rc == MDB_NOTFOUND ? OK : store_err(log->store, rc, "remove key");
}

static enum err trim_events(struct event_log *log, MDB_txn *txn,
                            struct position upto)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    enum err err = OK;
    int rc = mdb_cursor_open(txn, log->store->dbs[EVENTS_EVENTS], &cursor);

    for (size_t i = 0; i < log->trim_max && rc == 0 && err == OK; i++) {
        struct event e;
        struct position at;
        struct str id_key = STR_EMPTY;
        uint8_t copy[EVENT_KEY_BYTES];
        bool is_damaged;

        rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);
        if (rc != 0 || key.mv_size != sizeof(at.bytes))
            break;
        memcpy(at.bytes, key.mv_data, sizeof(at.bytes));
        is_damaged = event_decode(str_of_val(val), &e, &id_key) != OK;
        if (position_cmp(at, upto) > 0 ||
            (!is_damaged && e.accepted_at_us >= log->trim_before_us))
            break;
        if (!is_damaged && id_key.n_bytes == sizeof(copy)) {
            memcpy(copy, id_key.at, sizeof(copy)); // before the page changes
            err = remove_key(
                log, txn, (struct str){ (const char *)copy, sizeof(copy) }, at);
        }
        if (err == OK)
            rc = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    if (err != OK)
        return err;
    return rc == MDB_NOTFOUND ? OK : store_err(log->store, rc, "trim events");
}

static void on_trim(uv_work_t *work)
{
    struct event_log *log = work->data;
    struct position upto = passed_by_all(log);
    MDB_txn *txn;
    enum err err = store_write(log->store, &txn);

    if (err == OK) {
        err = trim_events(log, txn, upto);
        if (err == OK) {
            err = event_keys_expire(log->store, txn, clock_now_us(),
                                    log->trim_max);
        }
        if (err == OK) {
            err = store_commit(log->store, txn);
        } else {
            mdb_txn_abort(txn);
        }
    }
    log->batch_err = err;
}

static void on_trimmed(uv_work_t *work, int status)
{
    struct event_log *log = work->data;

    (void)status;
    if (log->batch_err != OK) {
        log_warn("old events not removed", "reason=%s",
                 log_quote(str_of(err_str(log->batch_err))));
    }
    log->is_busy = false;
    log->is_trimming = false;
    event_log_go_on(log);
}

// Whether there is anything to remove: a read costs less than a commit.
static bool is_needed(struct event_log *log, int64_t before_us)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    bool needed = false;

    if (store_read(log->store, &txn) != OK)
        return false;
    if (mdb_cursor_open(txn, log->store->dbs[EVENTS_EVENTS], &cursor) == 0) {
        struct event e;
        struct str id_key;

        if (mdb_cursor_get(cursor, &key, &val, MDB_FIRST) == 0) {
            needed = event_decode(str_of_val(val), &e, &id_key) != OK ||
                     e.accepted_at_us < before_us;
        }
        mdb_cursor_close(cursor);
    }
    if (!needed &&
        mdb_cursor_open(txn, log->store->dbs[EVENTS_KEY_TIMES], &cursor) == 0) {
        needed = mdb_cursor_get(cursor, &key, &val, MDB_FIRST) == 0 &&
                 event_key_is_old(key, clock_now_us());
        mdb_cursor_close(cursor);
    }
    store_read_end(log->store);
    return needed;
}

void event_log_start_trim(struct event_log *log)
{
    if (log->shards == NULL) {
        log->shards =
            xcalloc(log->config.n_shards, sizeof(struct shard_view *));
    }
    log->is_trim_wanted = false;
    log->is_trimming = true;
    log->is_busy = true;
    if (uv_queue_work(log->loop, &log->work, on_trim, on_trimmed) != 0)
        log_panic("no worker thread", "");
}

void event_log_trim(struct event_log *log, int64_t before_us, size_t max)
{
    if (log->is_trimming || !is_needed(log, before_us))
        return;
    log->trim_before_us = before_us;
    log->trim_max = max;
    log->is_trim_wanted = true;
    event_log_go_on(log);
}
