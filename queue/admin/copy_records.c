// SPDX-License-Identifier: MIT
// copy_records.c — which records a copy takes, and what is made anew for them.

#include "queue/admin/copy_records.h"

#include "common/base/codec.h"
#include "queue/admin/convert.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/chain/chain_mark.h"
#include "queue/listing/listed_rows.h"
#include "queue/lmdb/identity.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/records/hook_health.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"
#include "queue/records/stats.h"
#include "queue/shard/inside.h"
#include "queue/shard/payload_refs.h"
#include "queue/shard/shard_state.h"

// --- writing ---

static enum err put_attempt(struct copy_to *c, const struct copy_record *r)
{
    uint8_t place[PLACE_BYTES];
    struct shard_state state = { .next_no = get_be64(r->key.mv_data) };
    enum err err = copy_ready(c, r->key.mv_size + r->val.mv_size);

    attempt_place(&r->attempt, place);
    if (err == OK) {
        err = shard_put_attempt(
            c->store, c->txn, &state,
            (struct str){ (const char *)place, sizeof(place) },
            buf_str(&c->plain));
    }
    if (state.last_org > c->last_org)
        c->last_org = state.last_org;
    return err;
}

static enum err put_of_shard(struct copy_to *c, const struct copy_record *r)
{
    enum err err;

    switch (r->db) {
    case SHARD_DUE:
    case SHARD_DEAD:
        err = copy_ready(c, r->key.mv_size + r->val.mv_size);
        if (err == OK) {
            err = needed_put_row(c->store, c->txn, &c->needed, r->db, r->key,
                                 buf_str(&c->plain));
        }
        return err;
    case SHARD_ATTEMPTS:
        return put_attempt(c, r);
    case SHARD_META: // written at the end
    case SHARD_BY_OWNER:
    case SHARD_FAILED:
    case SHARD_BY_EVENT:
    case SHARD_NEEDED:
        return OK; // made anew
    default:
        return copy_put_record(c, r->db, r->key, buf_str(&c->plain));
    }
}

bool copy_is_record(const struct part *part, unsigned db)
{
    static const unsigned of_events = 1U << EVENTS_EVENTS | 1U << EVENTS_KEYS;
    static const unsigned of_hooks = 1U << HOOKS_HOOKS | 1U << HOOKS_TOKENS |
                                     1U << HOOKS_ORGS | 1U << HOOKS_ORG_NOS;
    static const unsigned of_shards =
        1U << SHARD_DUE | 1U << SHARD_DEAD | 1U << SHARD_ATTEMPTS |
        1U << SHARD_HEALTH | 1U << SHARD_OUTBOX | 1U << SHARD_STATS |
        1U << SHARD_REPLAYS | 1U << SHARD_LISTED;
    unsigned dbs = part->dbs == events_dbs  ? of_events
                   : part->dbs == hooks_dbs ? of_hooks
                                            : of_shards;

    return (dbs & 1U << db) != 0;
}

enum err copy_put(struct copy_to *c, struct copy_record *r)
{
    enum err err = OK;

    if (!copy_is_record(&c->part, r->db)) {
        if (c->part.dbs == shard_dbs && r->db == SHARD_META)
            listed_range_take(r->key, r->val, &c->list);
        if (c->migration != NULL)
            err = migration_note_row(c->migration, c, r);
        if (err != OK || c->part.dbs == shard_dbs ||
            (r->db == c->part.meta_db &&
             (identity_is(r->key) || chain_mark_is(r->key))))
            return err; // what is made is a directory of its own
        return copy_put_as_is(c, r->db, r->key, r->val);
    }
    buf_reset(&c->plain);
    buf_put_str(&c->plain, str_of_val(r->val));
    record_move(c->plain.at, c->plain.n_bytes, r->place);
    if (c->migration != NULL)
        err = migration_convert(c->migration, c, r);
    if (err != OK)
        return err;
    if (c->part.dbs == shard_dbs)
        return put_of_shard(c, r);
    return copy_put_record(c, r->db, r->key, buf_str(&c->plain));
}

// --- checking ---

// Whether a record of a shard is sound. Sets `attempt` for one of the history.
static bool is_sound_of_shard(struct copy_record *r)
{
    MDB_val key = r->key;
    MDB_val val = r->val;
    uint32_t place = r->place;
    struct str k = str_of_val(key);
    struct str v = str_of_val(val);
    struct due_row due;
    struct dead_row dead;
    struct replay replay;
    struct stats stats;
    struct event event;
    struct hook_health health;
    struct listed_row listed;
    struct unreported_dead untold;
    struct str id_key;
    bool is_good = true;

    switch (r->db) {
    case SHARD_DUE:
        return due_decode(place, k, v, &due) == OK;
    case SHARD_DEAD:
        return dead_decode(place, k, v, &dead) == OK;
    case SHARD_ATTEMPTS:
        return k.n_bytes == 8 && attempt_decode(place, v, &r->attempt) == OK;
    case SHARD_HEALTH:
        return k.n_bytes == 8 &&
               health_decode(place, v, &health, &untold) == OK;
    case SHARD_OUTBOX:
        return event_decode(place, v, &event, &id_key) == OK;
    case SHARD_REPLAYS:
        return replay_decode_at(place, v, &replay) == OK &&
               replay_is_at(&replay, k);
    case SHARD_LISTED:
        return listed_decode(place, k, v, &listed) == OK;
    case SHARD_STATS:
        stats_init(&stats);
        is_good = k.n_bytes == STATS_KEY_BYTES &&
                  stats_add_record_at(&stats, place, v) == OK;
        stats_clear(&stats);
        return is_good;
    default:
        return true;
    }
}

static bool is_sound_of_events(const struct copy_record *r)
{
    struct event event;
    struct key_row row;
    struct str id_key;

    switch (r->db) {
    case EVENTS_EVENTS:
        return event_decode_at(r->place, str_of_val(r->key), str_of_val(r->val),
                               &event, &id_key) == OK;
    case EVENTS_KEYS:
        return key_decode(r->place, str_of_val(r->val), &row) == OK;
    default:
        return true;
    }
}

static bool is_sound_of_hooks(const struct copy_record *r)
{
    struct str key = str_of_val(r->key);
    struct str val = str_of_val(r->val);
    uint64_t no;
    struct hook_room room;
    struct hook hook;
    struct token token;
    struct org_value value;
    struct buf unused;
    bool is_good = true;

    if (r->db == HOOKS_META && org_value_is_key(r->key)) {
        buf_init(&unused, 0);
        is_good = org_value_decode(r->place, r->key, r->val, NULL, &unused,
                                   &value) == OK;
        buf_clear(&unused);
    }
    if (r->db == HOOKS_ORGS || r->db == HOOKS_ORG_NOS)
        return orgs_decode(r->db, r->place, r->key, r->val, &val, &no);
    if (r->db == HOOKS_HOOKS) {
        hook_room_init(&room);
        is_good = hook_decode_at(r->place, key, val, NULL, &hook, &room) == OK;
        hook_room_clear(&room);
    }
    if (r->db == HOOKS_TOKENS)
        is_good = token_decode(r->place, key, val, &token) == OK;
    return is_good;
}

bool copy_check_record(const struct copy_to *c, struct copy_record *r)
{
    if (c->part.dbs == shard_dbs)
        return is_sound_of_shard(r);
    if (c->part.dbs == events_dbs)
        return is_sound_of_events(r);
    return is_sound_of_hooks(r);
}

// --- the end of an environment ---

static enum err put_state(struct copy_to *c)
{
    enum err err = OK;

    if (c->has_state) {
        c->state.counts[COUNT_CANCELLED] += c->n_dropped;
    } else {
        err = shard_guess_state(c->store, c->txn, &c->state);
    }
    if (c->state.last_org < c->last_org)
        c->state.last_org = c->last_org;
    if (err == OK)
        err = shard_put_state(c->store, c->txn, &c->state);
    // Without this row the list begins anew at the cursor.
    if (err == OK && !c->has_lost_list &&
        position_cmp(c->list.to, c->state.cursor) == 0)
        err = listed_range_put(c->store, c->txn, SHARD_META, &c->list);
    return err;
}

enum err copy_finish(struct copy_to *c, const uint8_t *id)
{
    enum err err = copy_flush(c); // the state is derived from committed rows

    if (err == OK)
        err = copy_ready(c, 0);
    if (err == OK && c->part.dbs == shard_dbs)
        err = put_state(c);
    if (err == OK)
        err = identity_put(c->store, c->txn, &c->part, id);
    return err == OK ? copy_flush(c) : err;
}
