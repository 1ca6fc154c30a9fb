// SPDX-License-Identifier: MIT
// shard_replays.c — the replays of a shard, as any process reads them.

#include "queue/shard/shard_replays.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"

struct walk {
    const uint8_t *from; // the key to begin at; REPLAY_KEY_BYTES
    const struct id *id; // only replays with this id; NULL: all
    bool is_after;       // without the one at `from`
};

static bool is_wanted(const struct walk *w, MDB_val key)
{
    return w->id == NULL ||
           (key.mv_size == REPLAY_KEY_BYTES &&
            memcmp(key.mv_data, w->id->bytes, sizeof(w->id->bytes)) == 0);
}

static bool is_first(const struct walk *w, MDB_val key)
{
    return key.mv_size == REPLAY_KEY_BYTES &&
           memcmp(key.mv_data, w->from, REPLAY_KEY_BYTES) == 0;
}

static int walk(struct shard_view *view, MDB_cursor *cursor,
                const struct walk *w, replay_visit visit, void *data)
{
    uint8_t from[REPLAY_KEY_BYTES] = { 0 };
    MDB_val key = val_at(from, sizeof(from));
    MDB_val val;
    bool goes_on = true;
    int rc;

    memcpy(from, w->from, sizeof(from));
    rc = store_seek(cursor, &key, &val);
    if (rc == 0 && w->is_after && is_first(w, key))
        rc = store_next(cursor, &key, &val);
    while (rc == 0 && goes_on && is_wanted(w, key)) {
        struct replay r;

        if (store_value_is_in_place(view->store, val) &&
            replay_decode_at(store_place(view->store, SHARD_REPLAYS, key),
                             str_of_val(val), &r) == OK &&
            replay_is_at(&r, str_of_val(key))) {
            goes_on = visit(data, &r);
        } else {
            log_warn("a damaged replay is skipped", "");
        }
        rc = store_next(cursor, &key, &val);
    }
    return rc;
}

static enum err read_replays(struct shard_view *view, const struct walk *w,
                             replay_visit visit, void *data)
{
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_cursor_open(txn, store_db(view->store, SHARD_REPLAYS), &cursor);
    if (rc == 0) {
        rc = walk(view, cursor, w, visit, data);
        mdb_cursor_close(cursor);
    }
    store_read_end(view->store);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(view->store, rc, "read replays");
}

enum err replays_each(struct shard_view *view, const struct id *id,
                      replay_visit visit, void *data)
{
    uint8_t from[REPLAY_KEY_BYTES] = { 0 };
    struct walk w = { .from = from, .id = id };

    if (id != NULL)
        memcpy(from, id->bytes, sizeof(id->bytes));
    return read_replays(view, &w, visit, data);
}

enum err replays_after(struct shard_view *view,
                       const struct replay_place *after, replay_visit visit,
                       void *data)
{
    uint8_t from[REPLAY_KEY_BYTES] = { 0 };
    struct walk w = { .from = from, .is_after = after != NULL };

    if (after != NULL) {
        memcpy(from, after->id.bytes, sizeof(after->id.bytes));
        put_be64(from + sizeof(after->id.bytes), after->hook_id);
    }
    return read_replays(view, &w, visit, data);
}
