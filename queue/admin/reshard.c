// SPDX-License-Identifier: MIT
// reshard.c — changes the number of shards: every row moves to its new owner.
//
// The new shards continue from the smallest of the old cursors; the handover record
// states what each old shard had passed, so that nothing is matched twice. Counts
// are kept as sums: shard 0 gets what no row accounts for.

#include "queue/admin/reshard.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/admin/environment_dir.h"
#include "queue/listing/listed_rows.h"
#include "queue/lmdb/files.h"
#include "queue/lmdb/identity.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"
#include "queue/shard/payload_refs.h"
#include "queue/shard/shard.h"
#include "queue/shard/shard_state.h"

#define ROWS_AT_ONCE 2000 // of a transaction

struct move {
    unsigned n_old, n_new;
    struct store *old[QUEUE_SHARDS_MAX];
    struct shard_state old_state[QUEUE_SHARDS_MAX];
    struct store *fresh[QUEUE_SHARDS_MAX];
    struct shard_state state[QUEUE_SHARDS_MAX];
    struct listed_range list;               // of the new shards
    MDB_txn *txn[QUEUE_SHARDS_MAX];         // of `fresh`; NULL: none is open
    struct needed needed[QUEUE_SHARDS_MAX]; // of the transaction
    size_t n_rows[QUEUE_SHARDS_MAX];
    struct buf plain; // the current record
};

static enum err flush(struct move *m, unsigned k)
{
    MDB_txn *txn = m->txn[k];
    enum err err = OK;

    if (txn == NULL)
        return OK;
    m->txn[k] = NULL;
    m->n_rows[k] = 0;
    err = needed_flush(m->fresh[k], txn, &m->needed[k]);
    return store_write_end(m->fresh[k], txn, err);
}

static enum err txn_of(struct move *m, unsigned k, MDB_txn **txn)
{
    enum err err = OK;

    if (m->n_rows[k] >= ROWS_AT_ONCE)
        err = flush(m, k);
    if (err == OK && m->txn[k] == NULL)
        err = store_write(m->fresh[k], &m->txn[k]);
    m->n_rows[k]++;
    *txn = m->txn[k];
    return err;
}

static enum err put_row(struct move *m, unsigned to, MDB_txn *txn, unsigned db,
                        MDB_val key, struct str record)
{
    struct store *s = m->fresh[to];

    if (db == SHARD_DUE || db == SHARD_DEAD)
        return needed_put_row(s, txn, &m->needed[to], db, key, record);
    return store_err(s, store_put(s, txn, db, key, record, 0), "reshard");
}

// The record with the place RECORD_NOWHERE.
static struct str plain_of(struct move *m, const struct store *old, unsigned db,
                           MDB_val key, MDB_val val)
{
    buf_reset(&m->plain);
    buf_put_str(&m->plain, str_of_val(val));
    record_move(m->plain.at, m->plain.n_bytes, store_place(old, db, key));
    return buf_str(&m->plain);
}

// Row numbers change, so the replay examines again all rows from before it was
// made; deliveries that it has sent already no longer match, since they have a
// newer attempt.
static enum err move_replay(struct move *m, struct str record)
{
    struct replay r;
    struct buf fresh;
    MDB_txn *txn;
    uint8_t bytes[REPLAY_KEY_BYTES];
    unsigned to;
    enum err err;

    if (replay_decode(record, &r) != OK)
        return OK; // damaged: skipped, as everywhere
    to = queue_shard_of(r.hook_id, m->n_new);
    if (!r.unmatched && r.ids.n_bytes == 0) {
        r.next = 0;
        r.end = UINT64_MAX;
        if (r.filter.until_us > r.created_at_ms * 1000)
            r.filter.until_us = r.created_at_ms * 1000;
    }
    memcpy(bytes, r.id.bytes, sizeof(r.id.bytes));
    put_be64(bytes + sizeof(r.id.bytes), r.hook_id);
    buf_init(&fresh, 0);
    replay_encode(&r, &fresh);
    err = txn_of(m, to, &txn);
    if (err == OK) {
        err = put_row(m, to, txn, SHARD_REPLAYS, val_at(bytes, sizeof(bytes)),
                      buf_str(&fresh));
    }
    buf_clear(&fresh);
    return err;
}

// The shard that owns a row: by the hook's number at the beginning of its key; for
// a statistic, by the owner's number at the end. Rows of an organization may lie in
// any shard.
static unsigned owner_of(const struct move *m, unsigned db, MDB_val key)
{
    const uint8_t *at = key.mv_data;

    if (db == SHARD_STATS)
        at += key.mv_size - 8;
    return queue_shard_of(get_be64(at), m->n_new);
}

// Adds a row of the list of events to the organization's new home.
static enum err move_listed(struct move *m, MDB_val key, struct str record)
{
    struct listed_row row;
    MDB_txn *txn;
    unsigned to;
    enum err err;

    if (listed_decode(RECORD_NOWHERE, str_of_val(key), record, &row) != OK) {
        if (position_cmp(m->list.from, m->list.to) < 0)
            m->list.from = m->list.to; // it is damaged: the list begins anew
        return OK;
    }
    to = listed_home(row.dialect, row.org, m->n_new);
    err = txn_of(m, to, &txn);
    return err == OK ? listed_put(m->fresh[to], txn, SHARD_LISTED, key, record)
                     : err;
}

static enum err move_row(struct move *m, unsigned db, MDB_val key,
                         struct str record)
{
    unsigned to;
    MDB_txn *txn;
    enum err err;

    if (db == SHARD_REPLAYS)
        return move_replay(m, record);
    if (db == SHARD_LISTED)
        return move_listed(m, key, record);
    to = owner_of(m, db, key);
    err = txn_of(m, to, &txn);
    if (err == OK &&
        db == SHARD_STATS) // an organization has statistics in each shard
        return shard_merge_stats(m->fresh[to], txn, key, record);
    return err == OK ? put_row(m, to, txn, db, key, record) : err;
}

static enum err move_rows(struct move *m, unsigned from, unsigned db)
{
    MDB_cursor *cursor;
    MDB_txn *txn;
    MDB_val key;
    MDB_val val;
    enum err err = store_read(m->old[from], &txn);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_cursor_open(txn, store_db(m->old[from], db), &cursor);
    if (rc != 0) {
        store_read_end(m->old[from]);
        return store_err(m->old[from], rc, "reshard");
    }
    while (err == OK &&
           (rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0)
        err = move_row(m, db, key, plain_of(m, m->old[from], db, key, val));
    mdb_cursor_close(cursor);
    store_read_end(m->old[from]);
    if (err != OK)
        return err;
    return rc == MDB_NOTFOUND ? OK : store_err(m->old[from], rc, "reshard");
}

// --- history: merged by time, so that it stays in the order of time ---

struct source {
    MDB_cursor *cursor; // NULL: at its end
    MDB_val key, val;
    struct attempt attempt;
};

// Moves to the next readable row, skipping damaged ones.
static enum err advance(struct store *s, struct source *source)
{
    int rc;

    while ((rc = mdb_cursor_get(source->cursor, &source->key, &source->val,
                                MDB_NEXT)) == 0) {
        if (attempt_decode(store_place(s, SHARD_ATTEMPTS, source->key),
                           str_of_val(source->val), &source->attempt) == OK)
            return OK;
        log_warn("a damaged attempt is not moved to another dispatcher",
                 "path=%s", log_quote(str_of(store_path(s))));
    }
    mdb_cursor_close(source->cursor);
    source->cursor = NULL;
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "reshard");
}

static struct source *earliest(struct source *sources, unsigned n,
                               unsigned *which)
{
    struct source *best = NULL;

    for (unsigned i = 0; i < n; i++) {
        struct source *s = &sources[i];

        if (s->cursor == NULL ||
            (best != NULL &&
             s->attempt.started_at_us >= best->attempt.started_at_us))
            continue;
        best = s;
        *which = i;
    }
    return best;
}

static enum err move_attempt(struct move *m, const struct store *old,
                             const struct source *s)
{
    uint8_t place[PLACE_BYTES];
    unsigned to = queue_shard_of(s->attempt.hook_id, m->n_new);
    MDB_txn *txn;
    enum err err = txn_of(m, to, &txn);

    attempt_place(&s->attempt, place);
    if (err == OK) {
        err = shard_put_attempt(
            m->fresh[to], txn, &m->state[to],
            (struct str){ (const char *)place, sizeof(place) },
            plain_of(m, old, SHARD_ATTEMPTS, s->key, s->val));
    }
    return err;
}

static enum err move_history(struct move *m)
{
    struct source sources[QUEUE_SHARDS_MAX] = { { 0 } };
    struct source *next;
    unsigned which = 0;
    enum err err = OK;

    for (unsigned i = 0; i < m->n_old && err == OK; i++) {
        MDB_txn *txn;

        err = store_read(m->old[i], &txn);
        if (err == OK) {
            err = store_err(m->old[i],
                            mdb_cursor_open(txn,
                                            store_db(m->old[i], SHARD_ATTEMPTS),
                                            &sources[i].cursor),
                            "reshard");
        }
        if (err == OK)
            err = advance(m->old[i], &sources[i]);
    }
    while (err == OK && (next = earliest(sources, m->n_old, &which)) != NULL) {
        err = move_attempt(m, m->old[which], next);
        if (err == OK)
            err = advance(m->old[which], next);
    }
    for (unsigned i = 0; i < m->n_old; i++) {
        if (sources[i].cursor != NULL)
            mdb_cursor_close(sources[i].cursor);
        store_read_end(m->old[i]);
    }
    return err;
}

// --- state ---

static bool has_handover(const struct shard_state *s, const struct handover *h)
{
    for (uint32_t i = 0; i < s->n_handovers; i++) {
        if (memcmp(&s->handovers[i], h, sizeof(*h)) == 0)
            return true;
    }
    return false;
}

static enum err add_handover(struct shard_state *s, const struct handover *h)
{
    if (has_handover(s, h))
        return OK;
    if (s->n_handovers == HANDOVERS_MAX) {
        log_warn(
            "the setting dispatchers was changed too often while events "
            "waited; start with its previous value and let the backlog drain",
            "");
        return ERR_FULL;
    }
    s->handovers[s->n_handovers++] = *h;
    return OK;
}

static enum err make_states(struct move *m)
{
    struct handover old = { .n_shards = m->n_old };
    struct shard_state common = { .next_no = 1,
                                  .cursor = m->old_state[0].cursor };
    enum err err = OK;

    for (unsigned i = 0; i < m->n_old; i++) {
        const struct shard_state *s = &m->old_state[i];

        old.cursors[i] = s->cursor;
        if (position_cmp(s->cursor, common.cursor) < 0)
            common.cursor = s->cursor;
        if (s->clock_ms > common.clock_ms)
            common.clock_ms = s->clock_ms;
        if (s->ran_ms > common.ran_ms)
            common.ran_ms = s->ran_ms;
        if (s->last_org > common.last_org)
            common.last_org = s->last_org;
        for (uint32_t k = 0; k < s->n_handovers && err == OK; k++)
            err = add_handover(&common, &s->handovers[k]);
    }
    if (err == OK)
        err = add_handover(&common, &old);
    for (unsigned i = 0; i < m->n_new; i++)
        m->state[i] = common;
    m->list.to = common.cursor;
    return err;
}

static enum err rows_of(struct move *m, unsigned k, int64_t *n_rows)
{
    struct shard_counts counts;
    MDB_txn *txn;
    enum err err = store_read(m->fresh[k], &txn);

    if (err != OK)
        return err;
    err = shard_read_counts(m->fresh[k], txn, &m->state[k], &counts);
    store_read_end(m->fresh[k]);
    *n_rows = (int64_t)(counts.n_due + counts.n_dead);
    return err;
}

// The counts of each shard must balance: each other shard counts as matched what
// its rows account for, shard 0 all the rest.
static enum err share_counts(struct move *m)
{
    enum err err = OK;

    for (unsigned i = 0; i < m->n_old; i++) {
        for (size_t c = 0; c < COUNTS; c++)
            m->state[0].counts[c] += m->old_state[i].counts[c];
    }
    for (unsigned k = 1; k < m->n_new && err == OK; k++) {
        int64_t n_rows = 0;

        err = rows_of(m, k, &n_rows);
        m->state[k].counts[COUNT_MATCHED] = n_rows;
        m->state[0].counts[COUNT_MATCHED] -= n_rows;
    }
    return err;
}

// Also writes the identity of each shard: they need it before the directory gets
// its name.
static enum err write_states(struct move *m, const struct queue_config *config)
{
    struct format format;
    enum err err = format_read(config->data_dir, &format);

    for (unsigned k = 0; k < m->n_new && err == OK; k++) {
        struct part part = part_of(config, k + 2);
        MDB_txn *txn;

        m->state[k].stats_from = m->state[k].next_no;
        err = txn_of(m, k, &txn);
        if (err == OK)
            err = shard_put_state(m->fresh[k], txn, &m->state[k]);
        if (err == OK)
            err = listed_range_put(m->fresh[k], txn, SHARD_META, &m->list);
        if (err == OK)
            err = identity_put(m->fresh[k], txn, &part, format.id);
        if (err == OK)
            err = flush(m, k);
    }
    return err;
}

// The list of the new shards is whole where those of all old ones were.
static enum err take_range(struct move *m, MDB_txn *txn, unsigned i)
{
    struct position cursor = m->old_state[i].cursor;
    struct listed_range range;
    enum err err = listed_range_get(m->old[i], txn, SHARD_META, &range);

    if (position_cmp(range.to, cursor) != 0)
        range.from = cursor;
    if (position_cmp(range.from, m->list.from) > 0)
        m->list.from = range.from;
    return err;
}

static enum err open_old(struct move *m, const struct queue_config *config)
{
    enum err err = OK;

    for (unsigned i = 0; i < m->n_old && err == OK; i++) {
        char *dir = xasprintf("%s/deliveries/%u", config->data_dir, i);
        MDB_txn *txn;

        err = store_open(dir, store_shard_map(config->max_bytes), true,
                         shard_dbs, SHARD_DBS, &m->old[i]);
        free(dir);
        if (err == OK)
            err = store_read(m->old[i], &txn);
        if (err != OK)
            return err;
        err = shard_read_state(m->old[i], txn, &m->old_state[i]);
        if (err == OK)
            err = take_range(m, txn, i);
        store_read_end(m->old[i]);
    }
    return err;
}

static enum err open_new(struct move *m, const struct queue_config *config)
{
    char *dir = xasprintf("%s/deliveries.tmp", config->data_dir);
    enum err err = file_remove_tree(dir);

    if (err == OK)
        err = file_mkdir(dir);
    for (unsigned k = 0; k < m->n_new && err == OK; k++) {
        char *shard = xasprintf("%s/%u", dir, k);

        err = prepare_environment(shard, store_shard_map(config->max_bytes),
                                  shard_dbs, SHARD_DBS, &m->fresh[k]);
        free(shard);
    }
    if (err == OK)
        err = file_sync(dir);
    free(dir);
    return err;
}

enum err reshard(const struct queue_config *config, unsigned n_old)
{
    // Events of the engine's own may go to any shard: their ids are treated as if
    // they began with a hook's number.
    static const unsigned moved[] = { SHARD_DUE,    SHARD_DEAD,  SHARD_HEALTH,
                                      SHARD_OUTBOX, SHARD_STATS, SHARD_REPLAYS,
                                      SHARD_LISTED };
    struct move *m = xcalloc(1, sizeof(*m));
    enum err err;

    buf_init(&m->plain, 0);
    m->n_old = n_old;
    m->n_new = config->n_shards;
    log_info("deliveries are moved to other dispatchers", "from=%u to=%u",
             n_old, m->n_new);
    err = open_old(m, config);
    if (err == OK)
        err = open_new(m, config);
    if (err == OK)
        err = make_states(m);
    for (unsigned i = 0; i < n_old; i++) {
        for (size_t n = 0; n < sizeof(moved) / sizeof(moved[0]) && err == OK;
             n++)
            err = move_rows(m, i, moved[n]);
    }
    if (err == OK)
        err = move_history(m);
    for (unsigned k = 0; k < m->n_new && err == OK; k++)
        err = flush(m, k);
    if (err == OK)
        err = share_counts(m);
    if (err == OK)
        err = write_states(m, config);
    if (err == OK)
        err = file_rename(config->data_dir, "deliveries.tmp", "deliveries.new");
    buf_clear(&m->plain);
    free(m); // the environments stay open until the process ends
    return err;
}
