// SPDX-License-Identifier: MIT
// shard.c — the writing end of a shard, and the reads of its owner.
//
// Happy path: a batch is applied operation by operation in a worker thread, in one
// transaction with the state record (cursor, counts, next number); on the loop the
// new state is adopted and the owner is called back.
//
// If it fails: nothing has changed, the state stays, and the owner gets the error.

#include "queue/shard/shard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/process/blame.h"
#include "common/process/pulse.h"
#include "queue/chain/chain_link.h"
#include "queue/listing/listed_rows.h"
#include "queue/lmdb/identity.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"
#include "queue/shard/payload_refs.h"
#include "queue/shard/shard_state.h"

static enum err put_index(struct store *s, MDB_txn *txn, unsigned db,
                          struct str key, struct str value)
{
    MDB_val k = val_of(key);
    MDB_val v = val_of(value);

    return store_err(s, row_put(txn, store_db(s, db), &k, &v, 0),
                     "put attempt");
}

// Puts the index rows by hook and by organization, whose numbers are in `owners`.
static enum err put_by_owner(struct store *s, MDB_txn *txn,
                             const uint8_t owners[2][8], const uint8_t no[8],
                             struct str mark)
{
    uint8_t key[BY_OWNER_KEY_BYTES];
    struct str k = { (const char *)key, sizeof(key) };
    struct mark m;
    bool is_failed = mark_decode(mark, &m) && mark_is_failed(&m);
    enum err err = OK;

    for (size_t i = 0; i < 2 && err == OK; i++) {
        memcpy(key, owners[i], 8);
        memcpy(key + 8, no, 8);
        err = put_index(s, txn, SHARD_BY_OWNER, k, mark);
        if (err == OK && is_failed)
            err = put_index(s, txn, SHARD_FAILED, k, mark);
    }
    return err;
}

enum err shard_put_attempt(struct store *s, MDB_txn *txn,
                           struct shard_state *state, struct str place,
                           struct str record)
{
    uint8_t no[8] = { 0 };
    uint8_t owners[2][8];
    uint8_t by_event[BY_EVENT_KEY_BYTES] = { 0 };
    MDB_val key = val_at(no, sizeof(no));
    struct mark mark;
    enum err err;
    int rc;

    put_be64(no, state->next_no);
    rc = store_put(s, txn, SHARD_ATTEMPTS, key, record, MDB_APPEND);
    if (rc == MDB_KEYEXIST) // a repair may find some rows late
        rc = store_put(s, txn, SHARD_ATTEMPTS, key, record, 0);
    err = store_err(s, rc, "put attempt");
    memcpy(owners[0], place.at, 8);
    memcpy(owners[1], place.at + 16, 8);
    if (err == OK) {
        err = put_by_owner(s, txn, (const uint8_t(*)[8])owners, no,
                           (struct str){ place.at + 24, place.n_bytes - 24 });
    }
    memcpy(by_event, place.at + 8, 8);
    memcpy(by_event + 8, place.at, 8);
    memcpy(by_event + 16, no, sizeof(no));
    if (err == OK) {
        err =
            put_index(s, txn, SHARD_BY_EVENT,
                      (struct str){ (const char *)by_event, sizeof(by_event) },
                      STR_EMPTY);
    }
    if (mark_decode((struct str){ place.at + 24, MARK_BYTES }, &mark) &&
        mark.took_ms > state->longest_ms)
        state->longest_ms = mark.took_ms;
    if (get_be64(owners[1]) > state->last_org)
        state->last_org = get_be64(owners[1]);
    state->next_no++;
    return err;
}

static enum err put_or_del(struct store *s, MDB_txn *txn, unsigned db,
                           const struct batch_step *step, bool put)
{
    MDB_val key = val_of(step->key);
    int rc = put ? store_put(s, txn, db, key, step->value, 0)
                 : row_del(txn, store_db(s, db), &key);

    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "move delivery");
}

// Moves a row of the due or the dead index, and counts the event that it needs.
static enum err move_row(struct shard *s, MDB_txn *txn, struct needed *needed,
                         const struct batch_step *step)
{
    unsigned db = step->op == CHANGE_DUE_PUT || step->op == CHANGE_DUE_DEL
                      ? SHARD_DUE
                      : SHARD_DEAD;
    enum err err;

    if (step->op == CHANGE_DUE_PUT || step->op == CHANGE_DEAD_PUT) {
        return needed_put_row(s->store, txn, needed, db, val_of(step->key),
                              step->value);
    }
    err = needed_del_row(s->store, txn, needed, db, val_of(step->key));
    if (err == ERR_NOTFOUND && db == SHARD_DEAD)
        s->fresh.counts[COUNT_DEAD_EXPIRED]--; // it is not expired after all
    return err == ERR_NOTFOUND ? OK : err;
}

static enum err apply_step(struct shard *s, MDB_txn *txn, struct needed *needed,
                           const struct batch_step *step)
{
    switch (step->op) {
    case CHANGE_DUE_PUT:
    case CHANGE_DUE_DEL:
    case CHANGE_DEAD_PUT:
    case CHANGE_DEAD_DEL:
        return move_row(s, txn, needed, step);
    case CHANGE_HEALTH_PUT:
        return put_or_del(s->store, txn, SHARD_HEALTH, step, true);
    case CHANGE_HEALTH_DEL:
        return put_or_del(s->store, txn, SHARD_HEALTH, step, false);
    case CHANGE_OUTBOX_PUT:
        return put_or_del(s->store, txn, SHARD_OUTBOX, step, true);
    case CHANGE_OUTBOX_DEL:
        return put_or_del(s->store, txn, SHARD_OUTBOX, step, false);
    case CHANGE_REPLAY_PUT:
        return put_or_del(s->store, txn, SHARD_REPLAYS, step, true);
    case CHANGE_REPLAY_DEL:
        return put_or_del(s->store, txn, SHARD_REPLAYS, step, false);
    case CHANGE_LISTED_PUT:
        return listed_put(s->store, txn, SHARD_LISTED, val_of(step->key),
                          step->value);
    case CHANGE_LISTED_DEL:
        return put_or_del(s->store, txn, SHARD_LISTED, step, false);
    case CHANGE_STATS:
        return shard_add_stats(s->store, txn, step->key, step->value);
    case CHANGE_ATTEMPT:
        return shard_put_attempt(s->store, txn, &s->fresh, step->key,
                                 step->value);
    }
    return ERR_CORRUPT;
}

static void forget_handovers(struct shard_state *state)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < state->n_handovers; i++) {
        const struct handover *h = &state->handovers[i];
        bool is_passed = true;

        for (uint32_t k = 0; k < h->n_shards; k++) {
            is_passed =
                is_passed && position_cmp(h->cursors[k], state->cursor) <= 0;
        }
        if (!is_passed)
            state->handovers[n++] = *h;
    }
    state->n_handovers = n;
}

// The delivery that an operation concerns, as far as its key tells.
static struct blamed record_of(const struct batch_step *step)
{
    const uint8_t *key = (const uint8_t *)step->key.at;
    struct blamed record = { BLAME_NOTHING, 0, 0 };
    size_t position_at = 8;

    if (step->op == CHANGE_DUE_PUT || step->op == CHANGE_DUE_DEL) {
        position_at = 16;
    } else if (step->op != CHANGE_DEAD_PUT && step->op != CHANGE_DEAD_DEL &&
               step->op != CHANGE_ATTEMPT) {
        return record;
    }
    if (step->key.n_bytes < position_at + 8)
        return record;
    record.kind = BLAME_DELIVERY;
    record.a = get_be64(key);
    record.b = get_be64(key + position_at);
    return record;
}

// Moves the cursor. The list of events is whole up to it: an earlier version, which kept
// none, left the range where it was, so where that does not end at the cursor the list
// begins anew.
static enum err move_cursor(struct shard *s, MDB_txn *txn)
{
    struct listed_range range;
    enum err err = listed_range_get(s->store, txn, SHARD_META, &range);

    if (err != OK)
        return err;
    if (position_cmp(range.to, s->fresh.cursor) != 0)
        range.from = s->fresh.cursor;
    range.to = s->change->cursor;
    s->fresh.cursor = s->change->cursor;
    forget_handovers(&s->fresh);
    return listed_range_put(s->store, txn, SHARD_META, &range);
}

static enum err apply(struct shard *s, MDB_txn *txn)
{
    struct batch_step step;
    struct needed needed = { .backlog = &s->moved };
    size_t at = 0;
    enum err err = OK;

    backlog_sums_reset(&s->moved);
    s->fresh = s->state;
    while (err == OK && batch_next(s->change, &at, &step)) {
        blame_end(record_of(&step));
        err = apply_step(s, txn, &needed, &step);
    }
    blame_begin(BLAME_NOTHING, 0, 0);
    if (err == OK)
        err = needed_flush(s->store, txn, &needed);
    if (err == OK && s->change->has_cursor)
        err = move_cursor(s, txn);
    if (err != OK)
        return err;
    if (s->change->clock_ms > s->fresh.clock_ms)
        s->fresh.clock_ms = s->change->clock_ms;
    if (s->change->ran_ms > s->fresh.ran_ms)
        s->fresh.ran_ms = s->change->ran_ms;
    if (s->change->are_stats_noted)
        s->fresh.stats_from = s->fresh.next_no;
    for (size_t i = 0; i < COUNTS; i++)
        s->fresh.counts[i] += s->change->counts[i];
    return shard_put_state(s->store, txn, &s->fresh);
}

static enum err try_change(struct shard *s)
{
    MDB_txn *txn;
    enum err err = store_write(s->store, &txn);

    if (err != OK)
        return err;
    err = apply(s, txn);
    return store_write_end(s->store, txn, err);
}

static enum err commit_change(struct shard *s)
{
    enum err err = try_change(s);

    if (err == ERR_FULL && store_turn(s->store, store_db(s->store, SHARD_META)))
        err = try_change(s);
    return err;
}

static void on_work(uv_work_t *work)
{
    struct shard *s = work->data;
    int cell = pulse_disk_begin();

    s->work_err = s->is_trimming ? shard_trim_rows(s) : commit_change(s);
    s->work_room = store_keep_room(s->store);
    pulse_disk_end(cell);
}

static void start_work(struct shard *s);

static void on_trimmed(struct shard *s)
{
    bool has_more = s->work_err == OK && s->has_more_to_trim;

    s->is_trimming = false;
    if (s->work_err == OK) {
        s->state = s->fresh;
    } else {
        log_warn("old history cannot be removed", "reason=%s",
                 log_quote(str_of(err_str(s->work_err))));
    }
    if (s->is_committing)
        start_work(s); // it waited for this trim
    if (s->trimmed != NULL)
        s->trimmed(s->trim_data, has_more);
}

static void start_trim(struct shard *s)
{
    s->is_trim_wanted = false;
    s->is_trimming = true;
    start_work(s);
}

static void on_work_done(uv_work_t *work, int status)
{
    struct shard *s = work->data;
    enum err err;

    assert(status == 0);
    s->room = s->work_room;
    if (s->is_trimming) {
        on_trimmed(s);
        return;
    }
    if (s->work_err == OK)
        s->state = s->fresh;
    s->is_committing = false;
    err = s->work_err; // read it now, since a trim sets it, too
    if (s->is_trim_wanted)
        start_trim(s); // the next commit waits for the trim
    s->done(s->data, err);
}

static void start_work(struct shard *s)
{
    if (uv_queue_work(s->loop, &s->work, on_work, on_work_done) != 0)
        log_panic("a worker thread cannot be started", "");
}

void shard_commit(struct shard *s, const struct shard_batch *c,
                  shard_committed done, void *data)
{
    assert(!s->is_committing);
    s->is_committing = true;
    s->change = c;
    s->done = done;
    s->data = data;
    if (!s->is_trimming)
        start_work(s);
}

enum room shard_room(const struct shard *s)
{
    return s->room;
}

bool shard_trim(struct shard *s, const struct shard_retention *keep, size_t max,
                shard_trimmed done, void *data)
{
    if (s->is_trimming || s->is_trim_wanted)
        return false;
    s->keep = *keep;
    s->trim_max = max;
    s->trimmed = done;
    s->trim_data = data;
    s->is_trim_wanted = true;
    if (!s->is_committing)
        start_trim(s);
    return true;
}

uint64_t shard_stats_from(const struct shard *s)
{
    return s->state.stats_from;
}

int64_t shard_clock_ms(const struct shard *s)
{
    return s->state.clock_ms;
}

int64_t shard_ran_ms(const struct shard *s)
{
    return s->state.ran_ms;
}

struct position shard_cursor(const struct shard *s)
{
    return s->state.cursor;
}

bool shard_was_matched(const struct shard *s, uint64_t hook_id,
                       struct position position)
{
    for (uint32_t i = 0; i < s->state.n_handovers; i++) {
        const struct handover *h = &s->state.handovers[i];

        if (position_cmp(position,
                         h->cursors[queue_shard_of(hook_id, h->n_shards)]) <= 0)
            return true;
    }
    return false;
}

unsigned queue_shard_of(uint64_t hook_id, unsigned n_shards)
{
    uint64_t x = hook_id * UINT64_C(0x9e3779b97f4a7c15);

    return (unsigned)((x >> 32) % n_shards);
}

enum err shard_counts(struct shard *s, struct shard_counts *out)
{
    MDB_txn *txn;
    enum err err = store_read(s->store, &txn);

    if (err != OK)
        return err;
    err = shard_read_counts(s->store, txn, &s->state, out);
    store_read_end(s->store);
    return err;
}

enum err shard_usage(struct shard *s, uint64_t *n_bytes)
{
    return store_usage_now(s->store, n_bytes);
}

// Reads the state; if it is damaged, rebuilds and writes it, for processes that
// read the shard before the first commit. If there is no room, the first commit
// writes it.
static enum err open_state(struct shard *s, unsigned k)
{
    MDB_txn *txn;
    enum err err = store_read(s->store, &txn);

    if (err != OK)
        return err;
    err = shard_read_state(s->store, txn, &s->state);
    if (err != ERR_CORRUPT) {
        store_read_end(s->store);
        return err;
    }
    log_warn("the damaged state of a shard was made again from its records",
             "shard=%u", k);
    err = shard_guess_state(s->store, txn, &s->state);
    store_read_end(s->store);
    if (err == OK)
        err = store_write(s->store, &txn);
    if (err != OK)
        return err;
    err = shard_put_state(s->store, txn, &s->state);
    err = store_write_end(s->store, txn, err);
    return err == ERR_FULL ? OK : err;
}

enum err shard_open(const struct queue_config *config, unsigned k,
                    struct uv_loop_s *loop, struct shard **out)
{
    struct shard *s = xcalloc(1, sizeof(*s));
    char *dir = xasprintf("%s/deliveries/%u", config->data_dir, k);
    enum err err = store_open(dir, store_shard_map(config->max_bytes), false,
                              shard_dbs, SHARD_DBS, &s->store);

    free(dir);
    if (err == OK)
        err = identity_check(config, k + 2, s->store);
    if (err == OK)
        err = chain_link_attach(config, k + 2, s->store);
    if (err == OK)
        err = open_state(s, k);
    if (err != OK) {
        free(s);
        return err;
    }
    s->loop = loop;
    s->work.data = s;
    buf_init(&s->erasing.at, 0);
    s->room = store_keep_room(s->store);
    *out = s;
    return OK;
}
