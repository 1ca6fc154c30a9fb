// SPDX-License-Identifier: MIT
// log_end.c — handles an event log that is older than what other parts know of it.
//
// The engine continues after the gap: new events are delivered, and missing ones
// are counted. A delivery that waits for a missing event is cancelled when its turn
// comes, like one whose event is damaged.

#include "queue/event_rows/log_end.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/event_rows/hidden.h"
#include "queue/lmdb/identity.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"
#include "queue/shard/payload_refs.h"
#include "queue/shard/shard_state.h"

// --- where the log ends ---

enum err event_next(struct store *s, MDB_txn *txn, uint64_t *next)
{
    static char name[] = "next";
    MDB_val key = val_at(name, sizeof(name) - 1);
    MDB_val val;
    struct position p;
    int rc = mdb_get(txn, store_db(s, EVENTS_META), &key, &val);

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

enum err event_put_next(struct store *s, MDB_txn *txn, uint64_t number)
{
    static char name[] = "next";
    struct position next = position_of(number);
    MDB_val key = val_at(name, sizeof(name) - 1);
    MDB_val val = val_at(next.bytes, sizeof(next.bytes));

    return store_err(s, row_put(txn, store_db(s, EVENTS_META), &key, &val, 0),
                     "put next");
}

static char missing_name[] = "missing";

// --- what is missing ---

enum err missing_get(struct store *s, MDB_txn *txn,
                     struct missing out[MISSING_MAX], size_t *n)
{
    MDB_val key = val_at(missing_name, sizeof(missing_name) - 1);
    MDB_val val;
    enum err err = store_err(
        s, mdb_get(txn, store_db(s, EVENTS_META), &key, &val), "get missing");

    *n = 0;
    if (err != OK)
        return err == ERR_NOTFOUND ? OK : err;
    if (val.mv_size % 16 != 0 || val.mv_size > (size_t)16 * MISSING_MAX)
        return ERR_CORRUPT;
    for (; *n < val.mv_size / 16; (*n)++) {
        const uint8_t *at = (const uint8_t *)val.mv_data + 16 * *n;

        out[*n] = (struct missing){ get_be64(at), get_be64(at + 8) };
    }
    return OK;
}

static enum err put_missing(struct store *s, MDB_txn *txn,
                            const struct missing *m, size_t n)
{
    uint8_t bytes[16 * MISSING_MAX];
    MDB_val key = val_at(missing_name, sizeof(missing_name) - 1);
    MDB_val val = val_at(bytes, 16 * n);

    for (size_t i = 0; i < n; i++) {
        put_be64(bytes + 16 * i, m[i].from);
        put_be64(bytes + 16 * i + 8, m[i].to);
    }
    return store_err(s, row_put(txn, store_db(s, EVENTS_META), &key, &val, 0),
                     "put missing");
}

uint64_t missing_sum(const struct missing *m, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += m[i].to - m[i].from + 1;
    return sum;
}

bool missing_has(const struct missing *m, size_t n, uint64_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (number >= m[i].from && number <= m[i].to)
            return true;
    }
    return false;
}

// --- what is known ---

static void note(uint64_t *greatest, uint64_t number)
{
    if (number > *greatest)
        *greatest = number;
}

// The last key of a database below `below` (NULL: the last one), by its first 8
// bytes. 0: there is none.
static uint64_t last_number(struct store *s, MDB_txn *txn, unsigned db,
                            const uint64_t *below)
{
    uint8_t bytes[8] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_cursor *cursor;
    uint64_t number = 0;
    int rc;

    if (mdb_cursor_open(txn, store_db(s, db), &cursor) != 0)
        return 0;
    if (below != NULL) {
        put_be64(bytes, *below);
        rc = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
        rc = mdb_cursor_get(cursor, &key, &val, rc == 0 ? MDB_PREV : MDB_LAST);
    } else {
        rc = mdb_cursor_get(cursor, &key, &val, MDB_LAST);
    }
    if (rc == 0 && key.mv_size >= 8)
        number = get_be64(key.mv_data);
    mdb_cursor_close(cursor);
    return number;
}

// In the tables of due rows and dead letters, keys end with the position.
static void note_by_rows(struct store *s, MDB_txn *txn, unsigned db,
                         uint64_t *greatest)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;

    if (mdb_cursor_open(txn, store_db(s, db), &cursor) != 0)
        return;
    while (mdb_cursor_get(cursor, &key, &val, MDB_NEXT) == 0) {
        if (key.mv_size >= 8) {
            note(greatest,
                 get_be64((const uint8_t *)key.mv_data + key.mv_size - 8));
        }
    }
    mdb_cursor_close(cursor);
}

static void note_by_replays(struct store *s, MDB_txn *txn, uint64_t *greatest)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;

    if (mdb_cursor_open(txn, store_db(s, SHARD_REPLAYS), &cursor) != 0)
        return;
    while (mdb_cursor_get(cursor, &key, &val, MDB_NEXT) == 0) {
        struct replay r;

        if (replay_decode_at(store_place(s, SHARD_REPLAYS, key),
                             str_of_val(val), &r) == OK &&
            r.unmatched && r.end != UINT64_MAX)
            note(greatest, r.end > 0 ? r.end - 1 : 0);
    }
    mdb_cursor_close(cursor);
}

enum err log_end_of_shard(struct store *s, MDB_txn *txn, uint64_t *greatest)
{
    struct shard_state state;
    uint64_t block;
    enum err err = shard_read_state(s, txn, &state);

    *greatest = 0;
    if (err != OK && err != ERR_CORRUPT)
        return err;
    if (err == OK) {
        note(greatest, position_number(state.cursor));
        for (uint32_t i = 0; i < state.n_handovers; i++) {
            const struct handover *h = &state.handovers[i];

            for (uint32_t k = 0; k < h->n_shards; k++)
                note(greatest, position_number(h->cursors[k]));
        }
    }
    note(greatest, last_number(s, txn, SHARD_BY_EVENT, NULL));
    block = last_number(s, txn, SHARD_NEEDED, NULL);
    if (*greatest < block * NEEDED_BLOCK_EVENTS) { // after the cursor: look
        note_by_rows(s, txn, SHARD_DUE, greatest);
        note_by_rows(s, txn, SHARD_DEAD, greatest);
    }
    note_by_replays(s, txn, greatest);
    return OK;
}

// Also ensures that the organization of each hook has a number.
static enum err read_hooks_end(struct store *s, MDB_txn *txn,
                               uint64_t *greatest)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    enum err err = OK;
    int rc = mdb_cursor_open(txn, store_db(s, HOOKS_HOOKS), &cursor);

    *greatest = 0;
    if (rc != 0)
        return store_err(s, rc, "read hooks");
    while (err == OK &&
           (rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
        struct hook_room room;
        struct hook h;
        uint64_t no;

        hook_room_init(&room);
        if (hook_decode(store_place(s, HOOKS_HOOKS, key), str_of_val(val), NULL,
                        &h, &room) == OK) {
            note(greatest, position_number(h.from));
            err = orgs_give(s, txn, h.scope.dialect, h.scope.org, &no);
        }
        if (err == ERR_CORRUPT) {
            log_warn("the number of an organization is damaged; its webhooks "
                     "get nothing until posthorn repair has run",
                     "org=%s", log_quote(h.scope.org));
            err = OK;
        }
        hook_room_clear(&room);
    }
    mdb_cursor_close(cursor);
    if (err != OK)
        return err;
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "read hooks");
}

// The greatest number of a hook that has rows in a shard.
static uint64_t last_hook_of(struct store *s, MDB_txn *txn)
{
    static const unsigned dbs[] = { SHARD_DUE, SHARD_DEAD, SHARD_HEALTH };
    const uint64_t end = OWNER_IS_ORG;
    uint64_t last = last_number(s, txn, SHARD_BY_OWNER, &end);

    if (last >= OWNER_IS_ORG)
        last = 0; // there is no smaller key
    for (size_t i = 0; i < sizeof(dbs) / sizeof(dbs[0]); i++)
        note(&last, last_number(s, txn, dbs[i], NULL));
    return last;
}

// The greatest number of an organization that has rows in a shard.
static uint64_t last_org_of(struct store *s, MDB_txn *txn)
{
    struct shard_state state;
    uint64_t last = last_number(s, txn, SHARD_BY_OWNER, NULL);
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;

    if (shard_read_state(s, txn, &state) == OK)
        note(&last, state.last_org);
    if (mdb_cursor_open(txn, store_db(s, SHARD_REPLAYS), &cursor) == 0) {
        while (mdb_cursor_get(cursor, &key, &val, MDB_NEXT) == 0) {
            struct replay r;

            if (replay_decode_at(store_place(s, SHARD_REPLAYS, key),
                                 str_of_val(val), &r) == OK)
                note(&last, r.org_id);
        }
        mdb_cursor_close(cursor);
    }
    return last > OWNER_IS_ORG ? last : OWNER_IS_ORG;
}

struct known {
    uint64_t event, hook, org;
};

static enum err read_shard_end(const struct queue_config *config, unsigned k,
                               struct known *known)
{
    struct part part = part_of(config, k + 2);
    uint64_t greatest = 0;
    struct store *s;
    MDB_txn *txn;
    enum err err = part_open(config, &part, false, &s);

    if (err == OK)
        err = store_read(s, &txn);
    if (err != OK)
        return err;
    err = log_end_of_shard(s, txn, &greatest);
    note(&known->event, greatest);
    note(&known->hook, last_hook_of(s, txn));
    note(&known->org, last_org_of(s, txn));
    store_read_end(s);
    return err;
}

// --- going on behind it ---

static enum err fit_hooks(const struct queue_config *config,
                          struct known *known)
{
    struct part part = part_of(config, 1);
    uint64_t greatest = 0;
    uint64_t last = 0;
    struct store *s;
    MDB_txn *txn;
    enum err err = part_open(config, &part, false, &s);

    if (err == OK)
        err = store_write(s, &txn);
    if (err != OK)
        return err;
    err = read_hooks_end(s, txn, &greatest);
    note(&known->event, greatest);
    if (err == OK)
        err = hooks_raise_last(s, txn, known->hook, &last);
    if (err == OK)
        err = orgs_raise_last(s, txn, known->org);
    if (err != OK) {
        mdb_txn_abort(txn);
        return err;
    }
    if (last < known->hook) {
        log_warn("webhooks are missing: there are deliveries of webhooks that "
                 "hooks/ does not have, so hooks/ is older than deliveries/. "
                 "New webhooks get higher numbers than the missing ones",
                 "last_there=%" PRIu64 " last_known=%" PRIu64, last,
                 known->hook);
    }
    return store_commit(s, txn); // which writes nothing if nothing changed
}

static enum err say_missing(struct store *s, MDB_txn *txn, struct missing fresh)
{
    struct missing all[MISSING_MAX];
    size_t n;
    enum err err = missing_get(s, txn, all, &n);

    log_warn(
        "events are missing: there are deliveries of accepted events that "
        "events/ does not have, so events/ is older than the rest. New events "
        "get higher positions; deliveries of the missing events are cancelled",
        "missing=%" PRIu64 " from=%" PRIu64 " to=%" PRIu64,
        fresh.to - fresh.from + 1, fresh.from, fresh.to);

    if (err == ERR_CORRUPT)
        n = 0;
    if (n == MISSING_MAX) {
        all[n - 1].to = fresh.to;
    } else {
        all[n++] = fresh;
    }
    return err == OK || err == ERR_CORRUPT ? put_missing(s, txn, all, n) : err;
}

// Events of a post that was being stored in parts (hidden.h): they become visible if all
// are there. Otherwise they stay hidden, and ingest removes them, unless the log's end
// is about to move over them.
static enum err fit_hidden(struct store *s, MDB_txn *txn, struct hidden *hidden,
                           uint64_t known, uint64_t *next)
{
    bool is_done;
    enum err err;

    if (hidden->is_whole) {
        hidden->is_there = false;
        return hidden_show(s, txn, next);
    }
    if (known < hidden->from)
        return OK;
    hidden->is_there = false;
    err = hidden_remove(s, txn, hidden->from, SIZE_MAX, &is_done);
    return err == OK ? hidden_end(s, txn) : err;
}

static enum err fit_events(const struct queue_config *config, uint64_t known)
{
    struct part part = part_of(config, 0);
    struct hidden hidden = { .is_there = false };
    uint64_t next = 1;
    uint64_t before;
    uint64_t last;
    struct store *s;
    MDB_txn *txn;
    enum err err = part_open(config, &part, false, &s);

    if (err == OK)
        err = store_write(s, &txn);
    if (err != OK)
        return err;
    err = event_next(s, txn, &next);
    before = next;
    if (err == OK)
        err = hidden_get(s, txn, &hidden);
    hidden.is_there =
        hidden.is_there && (hidden.is_whole || hidden.from >= next);
    if (err == OK && hidden.is_there)
        err = fit_hidden(s, txn, &hidden, known, &next);
    last = last_number(s, txn, EVENTS_EVENTS,
                       hidden.is_there ? &hidden.from : NULL);
    if (err != OK || (known < next && last < next && next == before)) {
        mdb_txn_abort(txn);
        return err;
    }
    next = last >= next ? last + 1 : next;
    err = known >= next ? say_missing(s, txn, (struct missing){ next, known })
                        : OK;
    if (err == OK)
        err = event_put_next(s, txn, known >= next ? known + 1 : next);
    return store_write_end(s, txn, err);
}

enum err log_end_fit(const struct queue_config *config)
{
    struct known known = { 0, 0, 0 };
    enum err err = OK;

    for (unsigned k = 0; k < config->n_shards && err == OK; k++)
        err = read_shard_end(config, k, &known);
    if (err == OK)
        err = fit_hooks(config, &known);
    return err == OK ? fit_events(config, known.event) : err;
}
