// SPDX-License-Identifier: MIT
// shard_retention.c — removes history and dead letters that are past retention, and what
// the shard has of an organization that is erased.
//
// The history is in the order of time. Two marks move through it: before one,
// delivered attempts are removed; before the other, all others. Dead letters lie by
// hook, so they are scanned round and round, some at a time.
//
// An organization with a shorter retention has two marks of its own, in memory, which move
// through the index of its attempts. Its dead letters go with the attempt that made them.

#include <string.h>

#include "common/base/codec.h"
#include "queue/catalog/orgs.h"
#include "queue/erasure/attempt_payloads.h"
#include "queue/erasure/mark_row.h"
#include "queue/listing/listed_rows.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"
#include "queue/shard/payload_refs.h"
#include "queue/shard/shard_state.h"

#define TRIM_KEEP UINT64_C(1) // the newest number is never reused

static int remove_row(struct shard *s, MDB_txn *txn, unsigned db, MDB_val key)
{
    int rc = row_del(txn, store_db(s->store, db), &key);

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

// --- an organization with a retention of its own ---

// One step through those organizations.
struct org_step {
    struct shard *s;
    MDB_txn *txn;
    struct needed needed;
    size_t n_left; // rows that may be looked at
};

// The organization's first attempt with the number `first` or a greater one.
// MDB_NOTFOUND: there is none.
static int next_of_org(struct shard *s, MDB_txn *txn, uint64_t org_no,
                       uint64_t first, uint64_t *no)
{
    uint8_t from[BY_OWNER_KEY_BYTES] = { 0 };
    MDB_val key = val_at(from, sizeof(from));
    MDB_val val;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, store_db(s->store, SHARD_BY_OWNER), &cursor);

    if (rc != 0)
        return rc;
    put_be64(from, org_no);
    put_be64(from + 8, first);
    rc = store_seek(cursor, &key, &val);
    if (rc == 0 &&
        (key.mv_size != sizeof(from) || get_be64(key.mv_data) != org_no))
        rc = MDB_NOTFOUND;
    if (rc == 0)
        *no = get_be64((const uint8_t *)key.mv_data + 8);
    mdb_cursor_close(cursor);
    return rc;
}

static enum err remove_of_org(struct org_step *o, uint64_t no,
                              const struct attempt *a, int64_t before_us)
{
    enum err err = OK;

    o->s->has_trimmed_org = true;
    if (a->state == DELIVERY_DEAD)
        err = shard_expire_dead(o->s, o->txn, &o->needed, a, before_us);
    return err == OK ? remove_attempt(o->s, o->txn, no, a) : err;
}

// Moves on from `mark`; stops at the first attempt that is young enough.
static enum err trim_org(struct org_step *o, uint64_t org_no, bool delivered,
                         int64_t before_us, uint64_t *mark)
{
    struct shard *s = o->s;
    enum err err = OK;

    while (err == OK && o->n_left > 0) {
        uint8_t row[8];
        MDB_val key = val_at(row, sizeof(row));
        MDB_val val;
        struct attempt a;
        uint64_t no;
        int rc = next_of_org(s, o->txn, org_no, *mark + 1, &no);

        if (rc == MDB_NOTFOUND)
            break;
        if (rc != 0)
            return store_err(s->store, rc, "trim");
        o->n_left--;
        put_be64(row, no);
        rc = mdb_get(o->txn, store_db(s->store, SHARD_ATTEMPTS), &key, &val);
        if (rc != 0 && rc != MDB_NOTFOUND)
            return store_err(s->store, rc, "trim");
        if (rc == 0 && store_value_is_in_place(s->store, val) &&
            attempt_decode(place_of(s, no), str_of_val(val), &a) == OK &&
            a.org_id == org_no) {
            if (believed_us(s, o->txn, no, a.started_at_us) >= before_us)
                break;
            if ((a.state == DELIVERY_DELIVERED) == delivered)
                err = remove_of_org(o, no, &a, before_us);
        }
        *mark = no;
    }
    return err;
}

// Goes through the organizations, and on from where the last step ended.
static enum err trim_orgs(struct shard *s, MDB_txn *txn)
{
    struct org_step o = { .s = s, .txn = txn, .n_left = s->trim_max };
    size_t n_seen = 0;
    enum err err = OK;

    if (s->trim_org >= s->keep.n_orgs)
        s->trim_org = 0;
    while (err == OK && n_seen < s->trim_max && s->trim_org < s->keep.n_orgs) {
        struct shard_org_retention *org = &s->keep.orgs[s->trim_org];

        n_seen++;
        err = trim_org(&o, org->org_no, true, org->delivered_before_us,
                       &org->trimmed_delivered);
        if (err == OK) {
            err = trim_org(&o, org->org_no, false, org->dead_before_us,
                           &org->trimmed_others);
        }
        if (o.n_left == 0)
            break;
        s->trim_org++;
    }
    if (s->trim_org < s->keep.n_orgs)
        s->has_more_to_trim = true;
    return err == OK ? needed_flush(s->store, txn, &o.needed) : err;
}

// A step that failed is undone, so the walk through their attempts begins anew.
static void begin_orgs_anew(struct shard *s)
{
    for (size_t i = 0; i < s->keep.n_orgs; i++) {
        s->keep.orgs[i].trimmed_delivered = 0;
        s->keep.orgs[i].trimmed_others = 0;
    }
}

// --- an organization that is erased ---

// What is removed, one kind after the other.
enum stage {
    ERASE_ATTEMPTS_OF_FIRST, // by the numbers of the organization
    ERASE_ATTEMPTS_OF_SECOND,
    ERASE_REPLAYS,
    ERASE_OUTBOX,
    ERASE_LISTED,
    ERASE_STATS,
    ERASE_STAGES
};

// One step of it.
struct erase_step {
    struct shard *s;
    MDB_txn *txn;
    const struct shard_erasure *what;
    size_t n_seen, n_removed;
};

static bool is_org(const struct shard_erasure *what, uint64_t no)
{
    return no != 0 && (no == what->org_nos[0] || no == what->org_nos[1]);
}

// A number of a hook that exists, or of another organization.
static bool is_owner_kept(const struct shard_erasure *what, uint64_t owner_no)
{
    size_t low = 0;
    size_t high = what->n_hooks;

    if (owner_no > OWNER_IS_ORG)
        return !is_org(what, owner_no);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (what->hooks[middle] == owner_no)
            return true;
        if (what->hooks[middle] < owner_no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

// Removes the attempt `no` of the organization, or what is left of it.
static enum err erase_attempt(struct erase_step *e, uint64_t org_no,
                              uint64_t no)
{
    struct shard *s = e->s;
    uint8_t row[8] = { 0 };
    uint8_t by_owner[BY_OWNER_KEY_BYTES] = { 0 };
    MDB_val key = val_at(row, sizeof(row));
    MDB_val val;
    struct attempt a;
    int rc;

    put_be64(row, no);
    rc = mdb_get(e->txn, store_db(s->store, SHARD_ATTEMPTS), &key, &val);
    if (rc == 0 && !store_value_is_in_place(s->store, val))
        return OK; // its pages are another's
    if (rc == 0 && attempt_decode(place_of(s, no), str_of_val(val), &a) == OK)
        return a.org_id == org_no ? remove_attempt(s, e->txn, no, &a) : OK;
    if (rc == 0)
        rc = remove_row(s, e->txn, SHARD_ATTEMPTS, key);
    put_be64(by_owner, org_no);
    put_be64(by_owner + 8, no);
    key = val_at(by_owner, sizeof(by_owner));
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = remove_row(s, e->txn, SHARD_BY_OWNER, key);
    if (rc == 0)
        rc = remove_row(s, e->txn, SHARD_FAILED, key);
    return store_err(s->store, rc, "erase attempt");
}

// Attempts are found by the index of the organization. True in `is_end`: none is left.
static enum err erase_attempts(struct erase_step *e, uint64_t org_no,
                               bool *is_end)
{
    struct shard *s = e->s;
    uint64_t from = s->erasing.at.n_bytes == 8
                        ? get_be64((const uint8_t *)s->erasing.at.at)
                        : 0;
    uint8_t bytes[8];
    enum err err = OK;

    *is_end = org_no == 0;
    while (err == OK && !*is_end && e->n_removed < s->trim_max) {
        int rc = next_of_org(s, e->txn, org_no, from, &from);

        *is_end = rc == MDB_NOTFOUND;
        if (*is_end)
            break;
        if (rc != 0)
            return store_err(s->store, rc, "erase attempts");
        err = erase_attempt(e, org_no, from++);
        e->n_removed++;
    }
    put_be64(bytes, from);
    buf_reset(&s->erasing.at);
    buf_put(&s->erasing.at, bytes, 8);
    return err;
}

// Whether a row of one of the small tables is the organization's.
static bool is_row_erased(const struct erase_step *e, unsigned db, MDB_val key,
                          MDB_val val)
{
    uint32_t place = store_place(e->s->store, db, key);
    struct replay replay;
    struct event event;
    struct str id_key;

    switch (db) {
    case SHARD_REPLAYS:
        return replay_decode_at(place, str_of_val(val), &replay) == OK &&
               is_org(e->what, replay.org_id);
    case SHARD_OUTBOX:
        return event_decode(place, str_of_val(val), &event, &id_key) == OK &&
               str_eq(event.org, e->what->org);
    default:
        return key.mv_size == STATS_KEY_BYTES &&
               !is_owner_kept(e->what, get_be64((const uint8_t *)key.mv_data +
                                                STATS_KEY_BYTES - 8));
    }
}

// Walks through a table, some rows in each step.
static enum err erase_rows(struct erase_step *e, unsigned db, bool *is_end)
{
    struct shard *s = e->s;
    struct buf *at = &s->erasing.at;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(e->txn, store_db(s->store, db), &cursor);

    if (rc != 0)
        return store_err(s->store, rc, "erase rows");
    key = val_of(buf_str(at));
    rc = at->n_bytes > 0 ? store_seek(cursor, &key, &val)
                         : mdb_cursor_get(cursor, &key, &val, MDB_FIRST);
    while (rc == 0 && e->n_seen < s->trim_max) {
        e->n_seen++;
        buf_reset(at);
        buf_put_str(at, str_of_val(key));
        if (store_value_is_in_place(s->store, val) &&
            is_row_erased(e, db, key, val)) {
            rc = row_cursor_del(cursor);
            e->n_removed++;
            key = val_of(buf_str(at));
            if (rc == 0)
                rc = store_seek(cursor, &key, &val);
        } else {
            rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
        }
        if (rc == 0) {
            buf_reset(at);
            buf_put_str(at, str_of_val(key));
        }
    }
    mdb_cursor_close(cursor);
    *is_end = rc == MDB_NOTFOUND;
    return *is_end ? OK : store_err(s->store, rc, "erase rows");
}

static enum err erase_listed(struct erase_step *e, bool *is_end)
{
    size_t n = 0;
    enum err err = listed_erase(e->s->store, e->txn, SHARD_LISTED, e->what->org,
                                e->s->trim_max, &n);

    e->n_removed += n;
    *is_end = n < e->s->trim_max;
    return err;
}

static enum err erase_in_stage(struct erase_step *e, bool *is_end)
{
    switch (e->s->erasing.stage) {
    case ERASE_ATTEMPTS_OF_FIRST:
        return erase_attempts(e, e->what->org_nos[0], is_end);
    case ERASE_ATTEMPTS_OF_SECOND:
        return erase_attempts(e, e->what->org_nos[1], is_end);
    case ERASE_REPLAYS:
        return erase_rows(e, SHARD_REPLAYS, is_end);
    case ERASE_OUTBOX:
        return erase_rows(e, SHARD_OUTBOX, is_end);
    case ERASE_LISTED:
        return erase_listed(e, is_end);
    default:
        return erase_rows(e, SHARD_STATS, is_end);
    }
}

// Removes some of what the shard has of the organization. Where the next step begins is
// in memory only: after a restart the walk begins anew, over fewer rows.
static enum err erase(struct shard *s, MDB_txn *txn)
{
    const struct shard_erasure *what = s->keep.erasure;
    struct erase_step e = { .s = s, .txn = txn, .what = what };
    struct erasing *at = &s->erasing;
    struct erasure_mark mark;
    bool is_end = true;
    enum err err = mark_row_get(s->store, txn, SHARD_META, &mark);

    if (err != OK || erasure_mark_is_done(&mark, &what->id))
        return err;
    if (!id_eq(&mark.id, &what->id))
        mark = (struct erasure_mark){ .id = what->id };
    if (!id_eq(&at->id, &what->id)) {
        at->id = what->id;
        at->stage = 0;
        buf_reset(&at->at);
    }
    while (err == OK && is_end && at->stage < ERASE_STAGES) {
        bool is_attempts = at->stage <= ERASE_ATTEMPTS_OF_SECOND;
        size_t before = e.n_removed;

        err = erase_in_stage(&e, &is_end);
        if (is_attempts)
            mark.n_removed += e.n_removed - before;
        if (err == OK && is_end) {
            at->stage++;
            buf_reset(&at->at);
        }
    }
    mark.is_done = err == OK && at->stage == ERASE_STAGES;
    s->has_erased = true;
    s->has_more_to_trim = s->has_more_to_trim || !mark.is_done;
    return err == OK ? mark_row_put(s->store, txn, SHARD_META, &mark) : err;
}

static bool has_trimmed(const struct shard *s)
{
    return s->has_erased || s->has_trimmed_org ||
           s->fresh.trimmed_delivered != s->state.trimmed_delivered ||
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
    if (err == OK)
        err = shard_trim_dead(s, txn);
    return err == OK ? trim_orgs(s, txn) : err;
}

// A step that fails is undone, so the walk through the rows begins anew, too.
static enum err try_trim(struct shard *s)
{
    size_t n_stats = 0;
    MDB_txn *txn;
    enum err err = store_write(s->store, &txn);

    if (err != OK)
        return err;
    s->fresh = s->state;
    s->has_more_to_trim = false;
    s->has_erased = false;
    s->has_trimmed_org = false;
    err = trim(s, txn);
    if (err == OK && s->keep.erasure != NULL)
        err = erase(s, txn);
    if (err == OK && s->keep.payloads != NULL) {
        s->has_erased = true;
        err = attempt_payloads_erase(s->store, txn, s->keep.payloads,
                                     s->trim_max, &s->has_more_to_trim);
    }
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
    err = store_write_end(s->store, txn, err);
    if (err != OK) {
        s->erasing.id = (struct id){ { 0 } };
        begin_orgs_anew(s);
        if (s->keep.payloads != NULL)
            payload_work_anew(s->keep.payloads);
    }
    return err;
}

enum err shard_trim_rows(struct shard *s)
{
    enum err err = try_trim(s);

    if (err == ERR_FULL && store_turn(s->store, store_db(s->store, SHARD_META)))
        err = try_trim(s);
    return err;
}
