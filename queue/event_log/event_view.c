// SPDX-License-Identifier: MIT
// event_view.c — the reading end of the event log.

#include "queue/event_log/event_view.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/erasure/erased_payloads.h"
#include "queue/erasure/mark_row.h"
#include "queue/event_rows/hidden.h"
#include "queue/event_rows/idempotency.h"
#include "queue/event_rows/log_end.h"
#include "queue/records/schema.h"
#include "queue/records/sealed.h"

struct event_view {
    struct store *store;
    struct event_hasher hasher;
    struct payload_keys *payload_keys; // borrowed; may be NULL
    struct buf plain;                  // of the event that was read last
};

enum err event_view_open(const struct queue_config *config,
                         struct event_view **out)
{
    struct event_view *view = xcalloc(1, sizeof(*view));
    char *dir = xasprintf("%s/events", config->data_dir);
    enum err err = store_open(dir, config->max_bytes, true, events_dbs,
                              EVENTS_DBS, &view->store);

    free(dir);
    if (err == OK)
        err = event_hasher_open(config, view->store, &view->hasher);
    if (err != OK) {
        free(view);
        return err;
    }
    view->payload_keys = config->payload_keys;
    buf_init(&view->plain, 0);
    *out = view;
    return OK;
}

static enum err decode(struct event_view *view, MDB_val key, MDB_val val,
                       bool keeps_closed, struct event *e)
{
    const struct store *s = view->store;
    struct str id_key;
    enum err err = store_value_is_in_place(s, val) ? OK : ERR_CORRUPT;

    if (err == OK) {
        err = event_decode_at(store_place(s, EVENTS_EVENTS, key),
                              str_of_val(key), str_of_val(val), e, &id_key);
    }
    return err == OK && !keeps_closed
               ? event_unseal(view->payload_keys, e, &view->plain)
               : err;
}

// What lies at `end` and behind it is hidden (hidden.h).
static enum err scan_from(struct event_view *view, MDB_cursor *cursor,
                          struct event_scan *scan, uint64_t end,
                          event_visit visit, void *data)
{
    struct store *s = view->store;
    struct position from = position_of(position_number(scan->after) + 1);
    MDB_val key = val_at(from.bytes, sizeof(from.bytes));
    MDB_val val;
    int rc = store_seek(cursor, &key, &val);

    for (size_t i = 0; i < scan->max && rc == 0; i++) {
        struct event e;

        if (key.mv_size != sizeof(scan->last.bytes))
            return store_err(s, MDB_CORRUPTED, "scan events");
        if (get_be64(key.mv_data) >= end)
            break;
        memcpy(scan->last.bytes, key.mv_data, sizeof(scan->last.bytes));
        if (decode(view, key, val, scan->keeps_closed, &e) != OK) {
            scan->n_damaged++;
            log_warn("a damaged event is skipped", "position=%llu",
                     (unsigned long long)position_number(scan->last));
        } else if (!visit(data, &e)) {
            return OK;
        }
        rc = store_next(cursor, &key, &val);
    }
    return rc == 0 || rc == MDB_NOTFOUND ? OK : store_err(s, rc, "scan events");
}

// Begins a read of the log: a cursor on it, and the number behind its last event. Only
// after OK does end_scan() end it. Errors: those of store_read() and LMDB.
static enum err begin_scan(struct event_view *view, MDB_cursor **cursor,
                           uint64_t *end)
{
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    *end = 1;
    if (err != OK)
        return err;
    err = event_next(view->store, txn, end);
    if (err == OK) {
        err = store_err(
            view->store,
            mdb_cursor_open(txn, store_db(view->store, EVENTS_EVENTS), cursor),
            "scan events");
    }
    if (err != OK)
        store_read_end(view->store);
    return err;
}

static void end_scan(struct event_view *view, MDB_cursor *cursor)
{
    mdb_cursor_close(cursor);
    store_read_end(view->store);
}

enum err event_view_scan(struct event_view *view, struct event_scan *scan,
                         event_visit visit, void *data)
{
    MDB_cursor *cursor;
    uint64_t end;
    enum err err;

    scan->last = scan->after;
    scan->n_damaged = 0;
    err = begin_scan(view, &cursor, &end);
    if (err == OK) {
        err = scan_from(view, cursor, scan, end, visit, data);
        end_scan(view, cursor);
    }
    return err;
}

// The last record before `key`.
static int seek_before(MDB_cursor *cursor, MDB_val *key, MDB_val *val)
{
    int rc = mdb_cursor_get(cursor, key, val, MDB_SET_RANGE);

    if (rc == MDB_NOTFOUND)
        return mdb_cursor_get(cursor, key, val, MDB_LAST);
    return rc == 0 ? mdb_cursor_get(cursor, key, val, MDB_PREV) : rc;
}

static enum err scan_back_from(struct event_view *view, MDB_cursor *cursor,
                               struct event_scan_back *scan, uint64_t end,
                               event_visit visit, void *data)
{
    struct store *s = view->store;
    uint64_t before = position_number(scan->before);
    struct position from = position_of(before < end ? before : end);
    MDB_val key = val_at(from.bytes, sizeof(from.bytes));
    MDB_val val;
    int rc = seek_before(cursor, &key, &val);

    before = position_number(from);
    for (size_t i = 0; i < scan->max && rc == 0; i++) {
        struct event e;

        if (key.mv_size != sizeof(scan->last.bytes) ||
            get_be64(key.mv_data) >= before)
            return store_err(s, MDB_CORRUPTED, "scan events");
        before = get_be64(key.mv_data);
        scan->last = position_of(before);
        if (decode(view, key, val, false, &e) != OK) {
            log_warn("a damaged event is skipped", "position=%llu",
                     (unsigned long long)before);
        } else if (!visit(data, &e)) {
            return OK;
        }
        rc = mdb_cursor_get(cursor, &key, &val, MDB_PREV);
    }
    scan->is_end = rc == MDB_NOTFOUND;
    return rc == 0 || rc == MDB_NOTFOUND ? OK : store_err(s, rc, "scan events");
}

enum err event_view_scan_back(struct event_view *view,
                              struct event_scan_back *scan, event_visit visit,
                              void *data)
{
    MDB_cursor *cursor;
    uint64_t end;
    enum err err;

    scan->last = scan->before;
    scan->is_end = false;
    err = begin_scan(view, &cursor, &end);
    if (err == OK) {
        err = scan_back_from(view, cursor, scan, end, visit, data);
        end_scan(view, cursor);
    }
    return err;
}

enum err event_view_get(struct event_view *view, struct position position,
                        event_visit visit, void *data)
{
    MDB_val key = val_at(position.bytes, sizeof(position.bytes));
    MDB_val val;
    MDB_txn *txn;
    struct event e;
    enum err err = store_read(view->store, &txn);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_get(txn, store_db(view->store, EVENTS_EVENTS), &key, &val);
    if (rc == MDB_NOTFOUND) {
        err = ERR_NOTFOUND;
    } else {
        err = store_err(view->store, rc, "get event");
    }
    if (err == OK)
        err = decode(view, key, val, false, &e);
    if (err == OK)
        visit(data, &e);
    store_read_end(view->store);
    return err;
}

struct wanted {
    enum dialect dialect;
    struct str org;
    const struct id *id;
    bool is_found;
};

static bool on_candidate(void *data, const struct event *e)
{
    struct wanted *w = data;

    w->is_found = e->dialect == w->dialect && str_eq(e->org, w->org) &&
                  id_eq(&e->id, w->id);
    return false;
}

static enum err find_key(struct event_view *view, const struct wanted *w,
                         struct position *out)
{
    uint8_t key[EVENT_KEY_BYTES];
    struct key_row row;
    MDB_txn *txn;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    event_key_of_id(&view->hasher, w->dialect, w->org, w->id, key);
    err = event_key_get(view->store, txn, key, &row);
    store_read_end(view->store);
    if (err == OK)
        *out = row.position;
    return err;
}

// An id made here contains the position; another id has a row in keys. Both only
// give candidates, and the event's own id decides.
enum err event_view_find(struct event_view *view, enum dialect dialect,
                         struct str org, const struct id *id,
                         struct position *out)
{
    struct wanted w = { .dialect = dialect, .org = org, .id = id };
    struct position end = position_start;
    struct position at;
    enum err err = find_key(view, &w, &at);

    if (err == ERR_NOTFOUND || err == ERR_CORRUPT) {
        at = position_of(id_serial(id));
    } else if (err != OK) {
        return err;
    }
    err = event_view_end(view, &end);
    if (err == OK && position_cmp(at, end) > 0)
        return ERR_NOTFOUND; // hidden, if it is there at all
    if (err == OK)
        err = event_view_get(view, at, on_candidate, &w);
    if (err == ERR_CORRUPT || (err == OK && !w.is_found))
        err = ERR_NOTFOUND;
    if (err == OK)
        *out = at;
    return err;
}

enum err event_view_accepted(struct event_view *view, uint64_t *n_events)
{
    MDB_txn *txn;
    uint64_t next = 1;
    uint64_t n_unused = 0;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    err = event_next(view->store, txn, &next);
    if (err == OK)
        err = unused_get(view->store, txn, &n_unused);
    store_read_end(view->store);
    if (err == OK)
        *n_events = next - 1 - n_unused;
    return err;
}

enum err event_view_end(struct event_view *view, struct position *out)
{
    MDB_txn *txn;
    uint64_t next = 1;
    enum err err = store_read(view->store, &txn);

    if (err != OK)
        return err;
    err = event_next(view->store, txn, &next);
    store_read_end(view->store);
    if (err == OK)
        *out = position_of(next - 1);
    return err;
}

enum err event_view_erasure(struct event_view *view, struct erasure_mark *out)
{
    return mark_row_read(view->store, EVENTS_META, out);
}

enum err event_view_has_erased(struct event_view *view,
                               struct position position, bool *out)
{
    return erased_payload_read(view->store, EVENTS_META, position, out);
}
