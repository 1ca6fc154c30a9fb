// history.c — the reading end of a shard: attempts of a hook, newest first.

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "queue/shard.h"

struct shard_view {
    struct store *store;
    MDB_txn *txn; // while a scan visits
};

enum err shard_view_open(const struct queue_config *config, unsigned k,
                         struct shard_view **out)
{
    struct shard_view *view = xcalloc(1, sizeof(*view));
    char *dir = xasprintf("%s/deliveries/%u", config->data_dir, k);
    enum err err = store_open(dir, store_shard_map(config->max_bytes), true,
                              shard_dbs, SHARD_DBS, &view->store);

    free(dir);
    if (err != OK) {
        free(view);
        return err;
    }
    *out = view;
    return OK;
}

struct visiting {
    attempt_visit visit;
    void *data;
    bool goes_on;
};

static enum err visit_attempt(struct shard_view *view, uint64_t no,
                              struct visiting *v)
{
    struct store *s = view->store;
    uint8_t bytes[8] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    struct attempt a;
    int rc;

    put_be64(bytes, no);
    rc = mdb_get(view->txn, s->dbs[SHARD_ATTEMPTS], &key, &val);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return store_err(s, rc, "read history");
    if (rc == MDB_NOTFOUND || attempt_decode(str_of_val(val), &a) != OK) {
        log_warn("damaged attempt passed over", "no=%llu",
                 (unsigned long long)no);
        return OK;
    }
    v->goes_on = v->visit(v->data, no, &a);
    return OK;
}

// The keys of an index that a query goes through, and where it begins: all but
// the last 8 bytes, the number of the row, stay the same.
struct range {
    unsigned db;
    size_t n_bytes;
    uint8_t from[BY_EVENT_KEY_BYTES];
};

static struct range range_of(const struct history_query *query)
{
    struct range r = { .db = SHARD_BY_HOOK, .n_bytes = BY_HOOK_KEY_BYTES };
    uint8_t *at = r.from;

    if (query->event != NULL) {
        r.db = SHARD_BY_EVENT;
        r.n_bytes = BY_EVENT_KEY_BYTES;
        memcpy(at, query->event->bytes, 8);
        at += 8;
    }
    put_be64(at, query->hook_no);
    put_be64(at + 8, query->before_no > 0 ? query->before_no : UINT64_MAX);
    return r;
}

static bool is_in(const struct range *range, MDB_val key)
{
    return key.mv_size == range->n_bytes &&
           memcmp(key.mv_data, range->from, range->n_bytes - 8) == 0;
}

// The last key before `key`.
static int seek_last(MDB_cursor *cursor, MDB_val *key, MDB_val *val)
{
    int rc = mdb_cursor_get(cursor, key, val, MDB_SET_RANGE);

    if (rc == MDB_NOTFOUND)
        return mdb_cursor_get(cursor, key, val, MDB_LAST);
    return rc == 0 ? mdb_cursor_get(cursor, key, val, MDB_PREV) : rc;
}

static enum err scan(struct shard_view *view, MDB_cursor *cursor,
                     struct range *range, size_t limit, struct visiting *v)
{
    MDB_val key = val_at(range->from, range->n_bytes);
    MDB_val val;
    int rc = seek_last(cursor, &key, &val);

    for (size_t i = 0; i < limit && rc == 0 && v->goes_on && is_in(range, key);
         i++) {
        const uint8_t *no = (const uint8_t *)key.mv_data + range->n_bytes - 8;
        enum err err = visit_attempt(view, get_be64(no), v);

        if (err != OK)
            return err;
        rc = mdb_cursor_get(cursor, &key, &val, MDB_PREV);
    }
    return rc == MDB_NOTFOUND ? OK : store_err(view->store, rc, "read history");
}

enum err history_scan(struct shard_view *view,
                      const struct history_query *query, attempt_visit visit,
                      void *data)
{
    struct range range = range_of(query);
    struct visiting v = { .visit = visit, .data = data, .goes_on = true };
    MDB_cursor *cursor;
    enum err err = store_read(view->store, &view->txn);

    if (err != OK)
        return err;
    err = store_err(
        view->store,
        mdb_cursor_open(view->txn, view->store->dbs[range.db], &cursor),
        "read history");
    if (err == OK) {
        err = scan(view, cursor, &range, query->limit, &v);
        mdb_cursor_close(cursor);
    }
    view->txn = NULL;
    store_read_end(view->store);
    return err;
}

static enum err newest(struct shard_view *view, struct range *range,
                       uint64_t *no)
{
    MDB_val key = val_at(range->from, range->n_bytes);
    MDB_val val;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(view->txn, view->store->dbs[range->db], &cursor);

    if (rc != 0)
        return store_err(view->store, rc, "read history");
    rc = seek_last(cursor, &key, &val);
    if (rc == 0 && is_in(range, key))
        *no = get_be64((const uint8_t *)key.mv_data + range->n_bytes - 8);
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(view->store, rc, "read history");
}

static enum err has_row(struct shard_view *view, unsigned db, MDB_val key,
                        bool *out)
{
    MDB_val val;
    int rc = mdb_get(view->txn, view->store->dbs[db], &key, &val);

    *out = rc == 0;
    return rc == MDB_NOTFOUND ? OK : store_err(view->store, rc, "read history");
}

// Whether the delivery still waits where the attempt left it.
static enum err still_waits(struct shard_view *view,
                            const struct attempt *attempt, bool *out)
{
    const struct due_row row = { .hook_no = attempt->hook_no,
                                 .due_at_ms = attempt->next_attempt_at_ms,
                                 .position = attempt->position };
    uint8_t dead[DEAD_KEY_BYTES] = { 0 };
    uint8_t due[DUE_KEY_BYTES] = { 0 };

    if (attempt->state == DELIVERY_DEAD) {
        dead_key(attempt->hook_no, attempt->position, dead);
        return has_row(view, SHARD_DEAD, val_at(dead, sizeof(dead)), out);
    }
    due_key(&row, due);
    return has_row(view, SHARD_DUE, val_at(due, sizeof(due)), out);
}

enum err history_is_now(struct shard_view *view, uint64_t no,
                        const struct attempt *attempt, bool *out)
{
    struct history_query query = { .hook_no = attempt->hook_no,
                                   .event = &attempt->position };
    bool is_ping = position_cmp(attempt->position, position_start) == 0;
    struct range range = range_of(&query);
    uint64_t newest_no = no;
    enum err err = OK;

    assert(view->txn != NULL);
    if (!is_ping) // each ping is a delivery of its own
        err = newest(view, &range, &newest_no);
    *out = newest_no == no;
    if (err == OK && *out &&
        (attempt->state == DELIVERY_DEAD ||
         attempt->state == DELIVERY_RETRYING))
        err = still_waits(view, attempt, out);
    return err;
}

static enum err read_state(struct shard_view *view, struct shard_state *state,
                           struct shard_counts *counts)
{
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    err = shard_read_state(view->store, txn, state);
    if (err == OK)
        err = shard_read_counts(view->store, txn, state, counts);
    store_read_end(view->store);
    return err;
}

enum err shard_view_counts(struct shard_view *view, struct shard_counts *out)
{
    struct shard_state state;

    return read_state(view, &state, out);
}

enum err shard_view_cursor(struct shard_view *view, struct position *out)
{
    struct shard_state state;
    struct shard_counts counts;
    enum err err = read_state(view, &state, &counts);

    if (err == OK)
        *out = state.cursor;
    return err;
}
