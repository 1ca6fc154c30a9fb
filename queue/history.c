// history.c — the reading end of a shard: attempts of a hook, newest first.

#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "queue/shard.h"

struct shard_view {
    struct store *store;
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

static enum err visit_attempt(struct store *s, MDB_txn *txn, uint64_t no,
                              attempt_visit visit, void *data, bool *goes_on)
{
    uint8_t bytes[8] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    struct attempt a;
    int rc;

    put_be64(bytes, no);
    rc = mdb_get(txn, s->dbs[SHARD_ATTEMPTS], &key, &val);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return store_err(s, rc, "read history");
    if (rc == MDB_NOTFOUND || attempt_decode(str_of_val(val), &a) != OK) {
        log_warn("damaged attempt passed over", "no=%llu",
                 (unsigned long long)no);
        return OK;
    }
    *goes_on = visit(data, no, &a);
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

static enum err scan(struct store *s, MDB_txn *txn, MDB_cursor *cursor,
                     struct range *range, size_t limit, attempt_visit visit,
                     void *data)
{
    MDB_val key = val_at(range->from, range->n_bytes);
    MDB_val val;
    bool goes_on = true;
    int rc;

    rc = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
    rc = rc == MDB_NOTFOUND ? mdb_cursor_get(cursor, &key, &val, MDB_LAST)
         : rc == 0          ? mdb_cursor_get(cursor, &key, &val, MDB_PREV)
                            : rc;
    for (size_t i = 0; i < limit && rc == 0 && goes_on; i++) {
        const uint8_t *k = key.mv_data;
        size_t n_fixed = range->n_bytes - 8;

        if (key.mv_size != range->n_bytes ||
            memcmp(k, range->from, n_fixed) != 0)
            break;
        enum err err =
            visit_attempt(s, txn, get_be64(k + n_fixed), visit, data, &goes_on);
        if (err != OK)
            return err;
        rc = mdb_cursor_get(cursor, &key, &val, MDB_PREV);
    }
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "read history");
}

enum err history_scan(struct shard_view *view,
                      const struct history_query *query, attempt_visit visit,
                      void *data)
{
    struct range range = range_of(query);
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    err = store_err(view->store,
                    mdb_cursor_open(txn, view->store->dbs[range.db], &cursor),
                    "read history");
    if (err == OK) {
        err = scan(view->store, txn, cursor, &range, query->limit, visit, data);
        mdb_cursor_close(cursor);
    }
    store_read_end(view->store);
    return err;
}

enum err shard_view_is_dead(struct shard_view *view, uint64_t hook_no,
                            struct position position, bool *out)
{
    uint8_t bytes[DEAD_KEY_BYTES] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);
    int rc;

    if (err != OK)
        return err;
    dead_key(hook_no, position, bytes);
    rc = mdb_get(txn, view->store->dbs[SHARD_DEAD], &key, &val);
    *out = rc == 0;
    err = rc == MDB_NOTFOUND ? OK : store_err(view->store, rc, "read history");
    store_read_end(view->store);
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
