// SPDX-License-Identifier: MIT
// shard_health.c — a shard's records of hook health, and its outbox of the engine's
// own events.

#include "queue/shard/shard_health.h"

#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"

// Calls `visit` with each row until it returns false.
static enum err each_row(struct shard *s, unsigned db,
                         bool (*visit)(void *data, MDB_val key, MDB_val val),
                         void *data)
{
    MDB_cursor *cursor;
    MDB_txn *txn;
    MDB_val key;
    MDB_val val;
    bool goes_on = true;
    enum err err = store_read(s->store, &txn);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_cursor_open(txn, store_db(s->store, db), &cursor);
    if (rc == 0) {
        while (goes_on &&
               (rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0)
            goes_on = visit(data, key, val);
        mdb_cursor_close(cursor);
    }
    store_read_end(s->store);
    return rc == 0 || rc == MDB_NOTFOUND ? OK
                                         : store_err(s->store, rc, "read rows");
}

struct health_reading {
    const struct store *store;
    health_visit visit;
    void *data;
};

static bool on_health(void *data, MDB_val key, MDB_val val)
{
    const struct health_reading *reading = data;
    struct unreported_dead dead;
    struct hook_health health;

    if (key.mv_size != 8 ||
        health_decode(store_place(reading->store, SHARD_HEALTH, key),
                      str_of_val(val), &health, &dead) != OK) {
        log_warn("a damaged health record of a hook is skipped", "");
        return true;
    }
    reading->visit(reading->data, get_be64(key.mv_data), &health);
    return true;
}

enum err shard_health_each(struct shard *s, health_visit visit, void *data)
{
    struct health_reading reading = { s->store, visit, data };

    return each_row(s, SHARD_HEALTH, on_health, &reading);
}

enum err shard_view_health(struct shard_view *view, uint64_t hook_id,
                           health_visit visit, void *data)
{
    struct unreported_dead dead;
    struct hook_health health;
    uint8_t bytes[8] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    put_be64(bytes, hook_id);
    err =
        store_err(view->store,
                  mdb_get(txn, store_db(view->store, SHARD_HEALTH), &key, &val),
                  "get health");
    if (err == OK) {
        err = health_decode(store_place(view->store, SHARD_HEALTH, key),
                            str_of_val(val), &health, &dead);
    }
    if (err == OK)
        visit(data, hook_id, &health);
    store_read_end(view->store);
    return err;
}

struct outbox_reading {
    const struct store *store;
    event_visit visit;
    void *data;
    size_t n_left;
};

static bool on_outbox(void *data, MDB_val key, MDB_val val)
{
    struct outbox_reading *reading = data;
    struct event event;
    struct str id_key;

    if (reading->n_left == 0)
        return false;
    if (event_decode(store_place(reading->store, SHARD_OUTBOX, key),
                     str_of_val(val), &event, &id_key) != OK) {
        log_warn("a damaged event of the engine's own is skipped", "");
        return true;
    }
    reading->n_left--;
    return reading->visit(reading->data, &event);
}

enum err shard_outbox_read(struct shard *s, size_t max, event_visit visit,
                           void *data)
{
    struct outbox_reading reading = { s->store, visit, data, max };

    return each_row(s, SHARD_OUTBOX, on_outbox, &reading);
}
