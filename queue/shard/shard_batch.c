// SPDX-License-Identifier: MIT
// shard_batch.c — the operations of one transaction of a shard, as a plain value.

#include "queue/shard/shard_batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "queue/listing/listed_rows.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"
#include "queue/shard/inside.h"

#define STEP_HEADER_BYTES 6

struct shard_batch *shard_batch_new(void)
{
    struct shard_batch *c = xcalloc(1, sizeof(*c));

    buf_init(&c->ops, 0);
    buf_init(&c->record, 0);
    return c;
}

void shard_batch_free(struct shard_batch *c)
{
    if (c == NULL)
        return;
    buf_clear(&c->ops);
    buf_clear(&c->record);
    free(c);
}

void shard_batch_reset(struct shard_batch *c)
{
    buf_reset(&c->ops);
    c->n = 0;
    c->has_cursor = false;
    c->are_stats_noted = false;
    c->clock_ms = 0;
    c->ran_ms = 0;
    memset(c->counts, 0, sizeof(c->counts));
}

static void put_step(struct shard_batch *c, enum batch_op op, struct str key,
                     struct str value)
{
    uint8_t header[STEP_HEADER_BYTES] = {
        (uint8_t)op,
        (uint8_t)key.n_bytes,
        (uint8_t)(value.n_bytes >> 24),
        (uint8_t)(value.n_bytes >> 16),
        (uint8_t)(value.n_bytes >> 8),
        (uint8_t)value.n_bytes,
    };

    buf_put(&c->ops, header, sizeof(header));
    buf_put_str(&c->ops, key);
    buf_put_str(&c->ops, value);
    c->n++;
}

bool batch_next(const struct shard_batch *c, size_t *at, struct batch_step *out)
{
    const uint8_t *h;
    size_t n_value;

    if (*at >= c->ops.n_bytes) // an empty batch has no bytes at all
        return false;
    h = (const uint8_t *)c->ops.at + *at;
    n_value =
        (size_t)h[2] << 24 | (size_t)h[3] << 16 | (size_t)h[4] << 8 | h[5];
    out->op = (enum batch_op)h[0];
    out->key = (struct str){ c->ops.at + *at + STEP_HEADER_BYTES, h[1] };
    out->value = (struct str){ out->key.at + out->key.n_bytes, n_value };
    *at += STEP_HEADER_BYTES + out->key.n_bytes + n_value;
    assert(*at <= c->ops.n_bytes);
    return true;
}

static struct str bytes_of(const uint8_t *at, size_t n_bytes)
{
    return (struct str){ (const char *)at, n_bytes };
}

void batch_cursor(struct shard_batch *c, struct position position)
{
    c->cursor = position;
    c->has_cursor = true;
    c->n++;
}

void batch_clock(struct shard_batch *c, int64_t clock_ms, int64_t ran_ms)
{
    c->clock_ms = clock_ms;
    c->ran_ms = ran_ms;
}

void batch_due_put(struct shard_batch *c, const struct due_row *row)
{
    uint8_t key[DUE_KEY_BYTES];

    buf_reset(&c->record);
    due_encode(row, key, &c->record);
    put_step(c, CHANGE_DUE_PUT, bytes_of(key, sizeof(key)),
             buf_str(&c->record));
}

void batch_due_del(struct shard_batch *c, const struct due_row *row)
{
    uint8_t key[DUE_KEY_BYTES];

    due_key(row, key);
    put_step(c, CHANGE_DUE_DEL, bytes_of(key, sizeof(key)), STR_EMPTY);
}

void batch_dead_put(struct shard_batch *c, const struct dead_row *row)
{
    uint8_t key[DEAD_KEY_BYTES];

    buf_reset(&c->record);
    dead_encode(row, key, &c->record);
    put_step(c, CHANGE_DEAD_PUT, bytes_of(key, sizeof(key)),
             buf_str(&c->record));
}

void batch_dead_del(struct shard_batch *c, uint64_t hook_id,
                    struct position position)
{
    uint8_t key[DEAD_KEY_BYTES];

    dead_key(hook_id, position, key);
    put_step(c, CHANGE_DEAD_DEL, bytes_of(key, sizeof(key)), STR_EMPTY);
}

void batch_attempt(struct shard_batch *c, const struct attempt *attempt)
{
    uint8_t key[PLACE_BYTES];

    attempt_place(attempt, key);
    buf_reset(&c->record);
    attempt_encode(attempt, &c->record);
    put_step(c, CHANGE_ATTEMPT, bytes_of(key, sizeof(key)),
             buf_str(&c->record));
}

void batch_count(struct shard_batch *c, enum count count, int64_t delta)
{
    if (delta == 0)
        return;
    c->counts[count] += delta;
    c->n++;
}

void batch_health(struct shard_batch *c, uint64_t hook_id,
                  const struct hook_health *health)
{
    bool is_empty = hook_health_is_empty(health);
    uint8_t key[8];

    put_be64(key, hook_id);
    buf_reset(&c->record);
    if (!is_empty)
        health_encode(health, &c->record);
    put_step(c, is_empty ? CHANGE_HEALTH_DEL : CHANGE_HEALTH_PUT,
             bytes_of(key, sizeof(key)), buf_str(&c->record));
}

void batch_outbox_put(struct shard_batch *c, const struct event *event)
{
    buf_reset(&c->record);
    event_encode(event, NULL, &c->record);
    put_step(c, CHANGE_OUTBOX_PUT,
             bytes_of(event->id.bytes, sizeof(event->id.bytes)),
             buf_str(&c->record));
}

void batch_outbox_del(struct shard_batch *c, const struct id *id)
{
    put_step(c, CHANGE_OUTBOX_DEL, bytes_of(id->bytes, sizeof(id->bytes)),
             STR_EMPTY);
}

static void put_replay(struct shard_batch *c, enum batch_op op,
                       const struct replay *r)
{
    uint8_t key[REPLAY_KEY_BYTES];

    memcpy(key, r->id.bytes, sizeof(r->id.bytes));
    put_be64(key + sizeof(r->id.bytes), r->hook_id);
    buf_reset(&c->record);
    if (op == CHANGE_REPLAY_PUT)
        replay_encode(r, &c->record);
    put_step(c, op, bytes_of(key, sizeof(key)), buf_str(&c->record));
}

void batch_replay_put(struct shard_batch *c, const struct replay *replay)
{
    put_replay(c, CHANGE_REPLAY_PUT, replay);
}

void batch_replay_del(struct shard_batch *c, const struct replay *replay)
{
    put_replay(c, CHANGE_REPLAY_DEL, replay);
}

void batch_listed_put(struct shard_batch *c, const struct listed_row *row)
{
    uint8_t key[LISTED_KEY_MAX_BYTES];
    size_t n_bytes = listed_key(row->dialect, row->org, row->block, key);

    buf_reset(&c->record);
    listed_encode(row, &c->record);
    put_step(c, CHANGE_LISTED_PUT, bytes_of(key, n_bytes), buf_str(&c->record));
}

void batch_listed_del(struct shard_batch *c, enum dialect dialect,
                      struct str org, uint64_t block)
{
    uint8_t key[LISTED_KEY_MAX_BYTES];
    size_t n_bytes = listed_key(dialect, org, block, key);

    put_step(c, CHANGE_LISTED_DEL, bytes_of(key, n_bytes), STR_EMPTY);
}

void batch_stats(struct shard_batch *c, uint64_t owner_no, int64_t at_s,
                 const struct stats *stats)
{
    uint8_t key[16];

    put_be64(key, owner_no);
    put_be64(key + 8, (uint64_t)at_s);
    buf_reset(&c->record);
    stats_encode(stats, &c->record);
    put_step(c, CHANGE_STATS, bytes_of(key, sizeof(key)), buf_str(&c->record));
}

void batch_stats_noted(struct shard_batch *c)
{
    c->are_stats_noted = true;
    c->n++;
}

size_t batch_n(const struct shard_batch *c)
{
    return c->n;
}

size_t batch_bytes(const struct shard_batch *c)
{
    return c->ops.n_bytes;
}
