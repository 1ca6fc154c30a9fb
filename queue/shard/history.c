// SPDX-License-Identifier: MIT
// history.c — the reading end of a shard: attempts of a hook or an organization.

#include "queue/shard/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/model/event_kinds.h"
#include "queue/records/schema.h"
#include "queue/records/sealed.h"
#include "queue/shard/inside.h"
#include "queue/shard/shard_state.h"

#define READ_COST  9  // in addition to examining the index row
#define TIMED_COST 40 // cost between two checks of the clock
// Attempts end in the order of their rows, except for this much.
#define SLACK_US INT64_C(5000000)

// --- filters ---

// Whether the index row may belong to a wanted attempt.
static bool may_be_wanted(const struct history_filter *f, const struct mark *m)
{
    bool is_kind = f->n_kinds == 0;

    if (f->states != 0 && (f->states & 1U << m->state) == 0)
        return false;
    if (f->errors != 0 && (f->errors & 1U << m->error) == 0)
        return false;
    if ((f->has_code && f->code != m->code) || m->started_at_us < f->since_us ||
        m->started_at_us >= f->until_us)
        return false;
    for (size_t i = 0; i < f->n_kinds && !is_kind; i++) {
        struct str base;

        // Marks cannot tell whether a kind matches a pattern.
        is_kind = kind_pattern_base(f->kinds[i], &base) ||
                  mark_kind(f->kinds[i]) == m->kind;
    }
    return is_kind;
}

// Whether the filter accepts failed attempts only.
static bool is_about_failures(const struct history_filter *f)
{
    return (f->states != 0 && (f->states & 1U << DELIVERY_DELIVERED) == 0) ||
           (f->errors != 0 && (f->errors & 1U << ERROR_NONE) == 0) ||
           (f->has_code && (f->code < 200 || f->code > 299));
}

// --- scans ---

// The keys of an index that a query visits, and where it begins: all but the last 8
// bytes, the row's number, are constant.
struct range {
    unsigned db;
    size_t n_bytes;
    uint8_t from[BY_EVENT_KEY_BYTES];
};

struct scanning {
    struct shard_view *view;
    struct history_query *query;
    const struct history_filter *filter;
    struct range range;
    MDB_cursor *cursor;
    attempt_visit visit;
    void *data;
    size_t n_cost;
    size_t n_cost_timed; // the cost at the last check of the clock
    bool goes_on;
    struct shard_state state;
    int64_t longest_us; // the longest attempt, plus some slack
};

// Whether an attempt is the one that an index row refers to. Exchanged pages must
// not show anybody somebody else's data.
static bool is_of(unsigned db, MDB_val row, const struct attempt *a)
{
    uint64_t first = get_be64(row.mv_data);

    if (db == SHARD_BY_EVENT) {
        return memcmp(row.mv_data, a->position.bytes, 8) == 0 &&
               get_be64((const uint8_t *)row.mv_data + 8) == a->hook_id;
    }
    return first == a->hook_id || first == a->org_id;
}

// Reads the attempt that an index row names. False: it is missing, or unreadable,
// which is logged.
static bool read_attempt(struct shard_view *view, unsigned db, MDB_val row,
                         struct attempt *out, enum err *err)
{
    uint64_t no = get_be64((const uint8_t *)row.mv_data + row.mv_size - 8);
    struct store *s = view->store;
    uint8_t bytes[8] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    int rc;

    put_be64(bytes, no);
    rc = mdb_get(view->txn, store_db(s, SHARD_ATTEMPTS), &key, &val);
    *err =
        rc == 0 || rc == MDB_NOTFOUND ? OK : store_err(s, rc, "read history");
    if (rc == 0 && store_value_is_in_place(s, val) &&
        attempt_decode(store_place(s, SHARD_ATTEMPTS, key), str_of_val(val),
                       out) == OK &&
        is_of(db, row, out) &&
        attempt_unseal(view->payload_keys, out, &view->plain) == OK)
        return true;
    if (*err == OK) {
        log_warn("a damaged attempt is skipped", "no=%llu",
                 (unsigned long long)no);
    }
    return false;
}

static struct range range_of(const struct history_query *query)
{
    struct range r = { .db = SHARD_BY_OWNER, .n_bytes = BY_OWNER_KEY_BYTES };
    uint64_t last = query->oldest_first ? 0 : UINT64_MAX;
    uint8_t *at = r.from;

    if (query->event != NULL) {
        r.db = SHARD_BY_EVENT;
        r.n_bytes = BY_EVENT_KEY_BYTES;
        memcpy(at, query->event->bytes, 8);
        at += 8;
    } else if (query->filter != NULL && is_about_failures(query->filter)) {
        r.db = SHARD_FAILED;
    }
    put_be64(at, query->owner_no);
    put_be64(at + 8, query->from_no > 0 ? query->from_no : last);
    return r;
}

static bool is_in(const struct range *range, MDB_val key)
{
    return key.mv_size == range->n_bytes &&
           memcmp(key.mv_data, range->from, range->n_bytes - 8) == 0;
}

static uint64_t no_of(const struct range *range, MDB_val key)
{
    return get_be64((const uint8_t *)key.mv_data + range->n_bytes - 8);
}

// The last key before `key`.
static int seek_last(MDB_cursor *cursor, MDB_val *key, MDB_val *val)
{
    int rc = mdb_cursor_get(cursor, key, val, MDB_SET_RANGE);

    if (rc == MDB_NOTFOUND)
        return mdb_cursor_get(cursor, key, val, MDB_LAST);
    return rc == 0 ? mdb_cursor_get(cursor, key, val, MDB_PREV) : rc;
}

// The first key after `key`.
static int seek_next(MDB_cursor *cursor, MDB_val *key, MDB_val *val)
{
    const MDB_val wanted = *key;
    int rc = store_seek(cursor, key, val);

    if (rc == 0 && key->mv_size == wanted.mv_size &&
        memcmp(key->mv_data, wanted.mv_data, wanted.mv_size) == 0)
        rc = store_next(cursor, key, val);
    return rc;
}

static enum err scan_row(struct scanning *s, MDB_val row, MDB_val val)
{
    uint64_t no = no_of(&s->range, row);
    struct mark mark;
    struct attempt a;
    bool is_now = true;
    enum err err;

    s->n_cost++;
    if (s->range.db != SHARD_BY_EVENT &&
        (!mark_decode(str_of_val(val), &mark) ||
         !may_be_wanted(s->filter, &mark)))
        return OK;
    if (s->query->marks_only) {
        s->goes_on = s->visit(s->data, no, NULL);
        return OK;
    }
    s->n_cost += READ_COST;
    if (!read_attempt(s->view, s->range.db, row, &a, &err))
        return err;
    if (s->range.db == SHARD_BY_EVENT) { // its rows have no mark
        uint8_t place[PLACE_BYTES];

        attempt_place(&a, place);
        if (!mark_decode((struct str){ (char *)place + 24, MARK_BYTES },
                         &mark) ||
            !may_be_wanted(s->filter, &mark))
            return OK;
    }
    if (!history_wants_kind(s->filter, a.kind))
        return OK;
    if (s->filter->states != 0)
        err = history_is_now(s->view, no, &a, &is_now);
    if (err == OK && is_now)
        s->goes_on = s->visit(s->data, no, &a);
    return err;
}

// Rows lie in the order in which attempts ended: no remaining row can have begun
// later.
static bool is_past(const struct scanning *s, MDB_val val)
{
    struct mark m;
    int64_t ended_us;

    if (s->range.db == SHARD_BY_EVENT || !mark_decode(str_of_val(val), &m))
        return false;
    ended_us = m.started_at_us + (int64_t)m.took_ms * 1000;
    if (s->query->oldest_first) {
        return s->filter->until_us < INT64_MAX - s->longest_us &&
               ended_us > s->filter->until_us + s->longest_us;
    }
    return s->filter->since_us > INT64_MIN + SLACK_US &&
           ended_us < s->filter->since_us - SLACK_US;
}

// Checks the clock from time to time. Some rows are passed in any case.
static bool is_time_over(struct scanning *s)
{
    if (s->query->until_us == 0 || s->n_cost < s->n_cost_timed + TIMED_COST)
        return false;
    s->n_cost_timed = s->n_cost;
    return clock_mono_us() >= s->query->until_us;
}

static enum err scan(struct scanning *s)
{
    struct history_query *query = s->query;
    MDB_cursor_op step = query->oldest_first ? MDB_NEXT : MDB_PREV;
    MDB_val key = val_at(s->range.from, s->range.n_bytes);
    MDB_val val;
    int rc = query->oldest_first ? seek_next(s->cursor, &key, &val)
                                 : seek_last(s->cursor, &key, &val);

    while (rc == 0 && is_in(&s->range, key) && !is_past(s, val)) {
        uint64_t no = no_of(&s->range, key);
        enum err err;

        if (s->n_cost >= query->max_rows || is_time_over(s))
            return OK;
        err = scan_row(s, key, val);
        if (err != OK || !s->goes_on)
            return err;
        query->last_no = no;
        rc = mdb_cursor_get(s->cursor, &key, &val, step);
        if (rc == 0 && is_in(&s->range, key) &&
            (no_of(&s->range, key) > no) != query->oldest_first)
            rc = MDB_CORRUPTED; // it would never end
    }
    query->is_end = rc == 0 || rc == MDB_NOTFOUND;
    return query->is_end ? OK : store_err(s->view->store, rc, "read history");
}

// --- times ---

// The end of the first attempt at or after `no`; sets `no` to its number. False:
// there is none.
static bool end_of(const struct store *s, MDB_cursor *cursor, uint64_t *no,
                   int64_t *ended_us)
{
    uint8_t bytes[8] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    struct attempt a;
    int rc;

    *ended_us = INT64_MAX;
    put_be64(bytes, *no);
    rc = store_seek(cursor, &key, &val);
    while (rc == 0 && (key.mv_size != sizeof(bytes) ||
                       attempt_decode(store_place(s, SHARD_ATTEMPTS, key),
                                      str_of_val(val), &a) != OK))
        rc = store_next(cursor, &key, &val);
    if (rc != 0)
        return false;
    *no = get_be64(key.mv_data);
    *ended_us = a.started_at_us + a.timing.total_us;
    return true;
}

// A range of rows, and when its first and last attempts ended, as far as known.
struct stretch {
    uint64_t low, high;
    int64_t low_us, high_us;
    bool halves; // bisect at the next guess
};

// Attempts come at a fairly steady rate, so a guess by time is near; every other
// guess bisects, so that a bad guess costs little.
static uint64_t guess(struct stretch *s, int64_t at_us)
{
    double part = 0.5;

    s->halves = !s->halves;
    if (!s->halves && s->low_us < at_us && at_us < s->high_us) {
        part = (double)(at_us - s->low_us) / (double)(s->high_us - s->low_us);
    }
    return s->low + (uint64_t)((double)(s->high - s->low - 1) * part);
}

// The first row whose attempt ended at `at_us` or later.
static enum err row_at(struct scanning *s, int64_t at_us, uint64_t *out)
{
    struct shard_view *view = s->view;
    MDB_cursor *cursor;
    struct stretch r = {
        .low = 1, .high = s->state.next_no, .high_us = INT64_MIN, .halves = true
    };
    enum err err = store_err(
        view->store,
        mdb_cursor_open(view->txn, store_db(view->store, SHARD_ATTEMPTS),
                        &cursor),
        "read history");

    if (err != OK)
        return err;
    if (end_of(view->store, cursor, &r.low, &r.low_us) && r.high > r.low) {
        uint64_t last = r.high - 1;

        if (!end_of(view->store, cursor, &last, &r.high_us))
            r.high_us = INT64_MIN;
    }
    while (r.low < r.high) {
        uint64_t middle = guess(&r, at_us);
        uint64_t no = middle;
        int64_t ended_us;

        if (end_of(view->store, cursor, &no, &ended_us) && ended_us < at_us) {
            r.low = no + 1;
            r.low_us = ended_us;
        } else {
            r.high = middle;
            r.high_us = ended_us;
        }
    }
    mdb_cursor_close(cursor);
    *out = r.low;
    return OK;
}

// A query with a time condition begins at that time.
static enum err jump(struct scanning *s)
{
    uint64_t no = 0;
    const struct history_filter *filter = s->filter;
    uint64_t from_no = s->query->from_no;
    uint8_t *at = s->range.from + s->range.n_bytes - 8;
    enum err err;

    if (s->query->event != NULL ||
        (filter->since_us == INT64_MIN && filter->until_us == INT64_MAX))
        return OK;
    err = shard_read_state(s->view->store, s->view->txn, &s->state);
    s->longest_us = (int64_t)s->state.longest_ms * 1000 + SLACK_US;
    if (err == OK && s->query->oldest_first &&
        filter->since_us > INT64_MIN + SLACK_US) {
        err = row_at(s, filter->since_us - SLACK_US, &no);
        if (no > from_no + 1)
            put_be64(at, no - 1);
    } else if (err == OK && !s->query->oldest_first &&
               filter->until_us < INT64_MAX - s->longest_us) {
        err = row_at(s, filter->until_us + s->longest_us, &no);
        if (from_no == 0 || no < from_no)
            put_be64(at, no);
    }
    return err;
}

enum err history_scan(struct shard_view *view, struct history_query *query,
                      attempt_visit visit, void *data)
{
    struct scanning s = { .view = view,
                          .query = query,
                          .filter = query->filter != NULL ? query->filter
                                                          : &history_all,
                          .range = range_of(query),
                          .visit = visit,
                          .data = data,
                          .goes_on = true };
    enum err err = store_read(view->store, &view->txn);

    query->last_no = query->from_no;
    query->is_end = false;
    if (err != OK)
        return err;
    err = jump(&s);
    if (err == OK) {
        err = store_err(view->store,
                        mdb_cursor_open(view->txn,
                                        store_db(view->store, s.range.db),
                                        &s.cursor),
                        "read history");
    }
    if (err == OK) {
        err = scan(&s);
        mdb_cursor_close(s.cursor);
    }
    view->txn = NULL;
    store_read_end(view->store);
    return err;
}

enum err history_of_event(struct shard_view *view, const struct position *event,
                          size_t max_rows, attempt_visit visit, void *data)
{
    uint8_t from[BY_EVENT_KEY_BYTES] = { 0 };
    MDB_val key = val_at(from, sizeof(from));
    MDB_val val;
    MDB_cursor *cursor;
    bool goes_on = true;
    enum err err = store_read(view->store, &view->txn);
    int rc;

    if (err != OK)
        return err;
    memcpy(from, event->bytes, 8);
    rc = mdb_cursor_open(view->txn, store_db(view->store, SHARD_BY_EVENT),
                         &cursor);
    if (rc == 0) {
        rc = store_seek(cursor, &key, &val);
        for (size_t i = 0; i < max_rows && rc == 0 && goes_on && err == OK &&
                           key.mv_size == sizeof(from) &&
                           memcmp(key.mv_data, event->bytes, 8) == 0;
             i++) {
            uint64_t no = get_be64((const uint8_t *)key.mv_data + 16);
            struct attempt a;

            if (read_attempt(view, SHARD_BY_EVENT, key, &a, &err))
                goes_on = visit(data, no, &a);
            rc = store_next(cursor, &key, &val);
        }
        mdb_cursor_close(cursor);
    }
    view->txn = NULL;
    store_read_end(view->store);
    if (err != OK || rc == 0 || rc == MDB_NOTFOUND)
        return err;
    return store_err(view->store, rc, "read history");
}

enum err history_walk(struct shard_view *view, uint64_t from_no,
                      size_t max_rows, attempt_visit visit, void *data,
                      uint64_t *next_no)
{
    uint8_t from[8] = { 0 };
    MDB_val key = val_at(from, sizeof(from));
    MDB_val val;
    MDB_cursor *cursor;
    bool goes_on = true;
    enum err err = store_read(view->store, &view->txn);
    int rc;

    *next_no = from_no;
    if (err != OK)
        return err;
    put_be64(from, from_no);
    rc = mdb_cursor_open(view->txn, store_db(view->store, SHARD_ATTEMPTS),
                         &cursor);
    if (rc == 0) {
        rc = store_seek(cursor, &key, &val);
        for (size_t i = 0; i < max_rows && rc == 0 && goes_on; i++) {
            struct attempt a;
            uint64_t no = key.mv_size == 8 ? get_be64(key.mv_data) : from_no;

            if (store_value_is_in_place(view->store, val) &&
                attempt_decode(store_place(view->store, SHARD_ATTEMPTS, key),
                               str_of_val(val), &a) == OK)
                goes_on = visit(data, no, &a);
            if (goes_on)
                *next_no = no + 1;
            rc = store_next(cursor, &key, &val);
        }
        mdb_cursor_close(cursor);
    }
    view->txn = NULL;
    store_read_end(view->store);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(view->store, rc, "read history");
}

static enum err newest(struct shard_view *view, struct range *range,
                       uint64_t *no)
{
    MDB_val key = val_at(range->from, range->n_bytes);
    MDB_val val;
    MDB_cursor *cursor;
    int rc =
        mdb_cursor_open(view->txn, store_db(view->store, range->db), &cursor);

    if (rc != 0)
        return store_err(view->store, rc, "read history");
    rc = seek_last(cursor, &key, &val);
    if (rc == 0 && is_in(range, key))
        *no = no_of(range, key);
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(view->store, rc, "read history");
}

static enum err has_row(struct shard_view *view, unsigned db, MDB_val key,
                        bool *out)
{
    MDB_val val;
    int rc = mdb_get(view->txn, store_db(view->store, db), &key, &val);

    *out = rc == 0;
    return rc == MDB_NOTFOUND ? OK : store_err(view->store, rc, "read history");
}

// Whether the delivery is still waiting in the state that the attempt left.
static enum err still_waits(struct shard_view *view,
                            const struct attempt *attempt, bool *out)
{
    const struct due_row row = { .hook_id = attempt->hook_id,
                                 .due_at_ms = attempt->due_at_ms,
                                 .position = attempt->position };
    uint8_t dead[DEAD_KEY_BYTES] = { 0 };
    uint8_t due[DUE_KEY_BYTES] = { 0 };

    if (attempt->state == DELIVERY_DEAD) {
        dead_key(attempt->hook_id, attempt->position, dead);
        return has_row(view, SHARD_DEAD, val_at(dead, sizeof(dead)), out);
    }
    due_key(&row, due);
    return has_row(view, SHARD_DUE, val_at(due, sizeof(due)), out);
}

enum err history_is_now(struct shard_view *view, uint64_t no,
                        const struct attempt *attempt, bool *out)
{
    struct history_query query = { .owner_no = attempt->hook_id,
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
