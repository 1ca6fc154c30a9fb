// SPDX-License-Identifier: MIT
// delivery_record.c — records to bytes and back.

#include "queue/records/schema.h"

#include <string.h>

#include "common/base/arena.h"
#include "common/base/codec.h"

const char *const events_dbs[EVENTS_DBS] = { "events", "keys", "key_times",
                                             "meta", "stacks" };
const char *const shard_dbs[SHARD_DBS] = { "due",      "dead",    "attempts",
                                           "by_owner", "failed",  "by_event",
                                           "meta",     "health",  "outbox",
                                           "stats",    "replays", "needed" };
const char *const hooks_dbs[HOOKS_DBS] = { "hooks", "by_no",  "changes",
                                           "meta",  "stacks", "tokens",
                                           "orgs",  "org_nos" };
struct position position_of(uint64_t number)
{
    struct position p = { { 0 } };

    put_be64(p.bytes, number);
    return p;
}

uint64_t position_number(struct position p)
{
    return get_be64(p.bytes);
}

static void pack_position(struct buf *b, struct position p)
{
    pack_u64(b, position_number(p));
}

static struct position unpack_position(struct unpack *u)
{
    return position_of(unpack_u64(u));
}

static void unpack_bytes(struct unpack *u, void *out, size_t n_bytes)
{
    struct str s = unpack_str(u);

    if (s.n_bytes != n_bytes) {
        u->bad = true;
    } else {
        memcpy(out, s.at, n_bytes);
    }
}

// --- events ---

void event_encode(const struct event *e, const uint8_t *key, struct buf *out)
{
    size_t start = record_begin(out, EVENT_VERSION);

    pack_id(out, &e->id);
    pack_i64(out, e->accepted_at_us);
    pack_u64(out, e->dialect);
    pack_u64(out, e->filters);
    pack_str(out, e->kind);
    pack_str(out, e->org);
    pack_str(out, e->project);
    pack_str(out, e->stack);
    pack_str(out, e->env);
    pack_str(out, (struct str){ (const char *)key, key != NULL ? 16 : 0 });
    pack_str(out, e->payload);
    record_end(out, start);
}

enum err event_decode(uint32_t place, struct str bytes, struct event *out,
                      struct str *key)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, EVENT_VERSION, &version, &u);
    uint64_t dialect;

    if (err != OK)
        return err;
    out->id = unpack_id(&u);
    out->accepted_at_us = unpack_i64(&u);
    dialect = unpack_u64(&u);
    out->filters = unpack_u64(&u);
    out->kind = unpack_str(&u);
    out->org = unpack_str(&u);
    out->project = unpack_str(&u);
    out->stack = unpack_str(&u);
    out->env = unpack_str(&u);
    *key = unpack_str(&u);
    out->payload = unpack_str(&u);
    if (dialect != DIALECT_PULUMI && dialect != DIALECT_AKINON)
        return ERR_CORRUPT;
    out->dialect = (enum dialect)dialect;
    return unpack_done(&u);
}

enum err event_decode_at(uint32_t place, struct str key, struct str bytes,
                         struct event *out, struct str *id_key)
{
    enum err err = key.n_bytes == sizeof(out->position.bytes)
                       ? event_decode(place, bytes, out, id_key)
                       : ERR_CORRUPT;

    if (err != OK)
        return err;
    memcpy(out->position.bytes, key.at, sizeof(out->position.bytes));
    // An event without a key has an id that was made here, which contains the
    // position.
    if (id_key->n_bytes == 0 &&
        id_serial(&out->id) !=
            (position_number(out->position) & ((UINT64_C(1) << 48) - 1)))
        return ERR_CORRUPT;
    return OK;
}

void key_encode(const struct key_row *k, struct buf *out)
{
    size_t start = record_begin(out, k->is_old ? 1 : KEY_VERSION);

    pack_position(out, k->position);
    pack_i64(out, k->accepted_at_us);
    pack_id(out, &k->event_id);
    pack_str(out, (struct str){ (const char *)k->content, 16 });
    record_end(out, start);
}

enum err key_decode(uint32_t place, struct str bytes, struct key_row *out)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, KEY_VERSION, &version, &u);

    if (err != OK)
        return err;
    out->position = unpack_position(&u);
    out->accepted_at_us = unpack_i64(&u);
    out->event_id = unpack_id(&u);
    unpack_bytes(&u, out->content, sizeof(out->content));
    out->is_old = version < 2;
    return unpack_done(&u);
}

// --- rows ---

void due_key(const struct due_row *r, uint8_t key[DUE_KEY_BYTES])
{
    put_be64(key, r->hook_id);
    put_be64(key + 8, (uint64_t)r->due_at_ms);
    memcpy(key + 16, r->position.bytes, 8);
}

void due_encode(const struct due_row *r, uint8_t key[DUE_KEY_BYTES],
                struct buf *out)
{
    size_t start = record_begin(out, DUE_VERSION);

    due_key(r, key);
    pack_u64(out, r->n_attempts);
    pack_u64(out, r->n_crashes);
    pack_i64(out, r->queue_us);
    pack_i64(out, r->not_before_ms);
    pack_u64(out, r->ordering_key);
    pack_u64(out, r->replay);
    pack_u64(out, r->n_before);
    pack_u64(out, r->payload_bytes);
    record_end(out, start);
}

enum err due_decode(uint32_t place, struct str key, struct str bytes,
                    struct due_row *out)
{
    const uint8_t *k = (const uint8_t *)key.at;
    struct unpack u;
    uint8_t version;
    enum err err;

    if (key.n_bytes != DUE_KEY_BYTES)
        return ERR_CORRUPT;
    err = record_open(place, bytes, DUE_VERSION, &version, &u);
    if (err != OK)
        return err;
    out->hook_id = get_be64(k);
    out->due_at_ms = (int64_t)get_be64(k + 8);
    memcpy(out->position.bytes, k + 16, 8);
    out->n_attempts = (uint32_t)unpack_u64(&u);
    out->n_crashes = (uint32_t)unpack_u64(&u);
    out->queue_us = unpack_i64(&u);
    out->not_before_ms = unpack_i64(&u);
    out->ordering_key = unpack_u64(&u);
    out->replay = unpack_u64(&u);
    out->n_before = (uint32_t)unpack_u64(&u);
    out->payload_bytes = version >= 2 ? (uint32_t)unpack_u64(&u) : 0;
    return unpack_done(&u);
}

void dead_key(uint64_t hook_id, struct position position,
              uint8_t key[DEAD_KEY_BYTES])
{
    put_be64(key, hook_id);
    memcpy(key + 8, position.bytes, 8);
}

void dead_encode(const struct dead_row *r, uint8_t key[DEAD_KEY_BYTES],
                 struct buf *out)
{
    size_t start = record_begin(out, DEAD_VERSION);

    dead_key(r->hook_id, r->position, key);
    pack_i64(out, r->dead_at_ms);
    pack_u64(out, r->n_attempts);
    pack_i64(out, r->queue_us);
    record_end(out, start);
}

enum err dead_decode(uint32_t place, struct str key, struct str bytes,
                     struct dead_row *out)
{
    const uint8_t *k = (const uint8_t *)key.at;
    struct unpack u;
    uint8_t version;
    enum err err;

    if (key.n_bytes != DEAD_KEY_BYTES)
        return ERR_CORRUPT;
    err = record_open(place, bytes, DEAD_VERSION, &version, &u);
    if (err != OK)
        return err;
    out->hook_id = get_be64(k);
    memcpy(out->position.bytes, k + 8, 8);
    out->dead_at_ms = unpack_i64(&u);
    out->n_attempts = (uint32_t)unpack_u64(&u);
    out->queue_us = unpack_i64(&u);
    return unpack_done(&u);
}

// --- history ---

static void pack_timing(struct buf *out, const struct timing *t)
{
    pack_i64(out, t->queue_us);
    pack_i64(out, t->dns_us);
    pack_i64(out, t->connect_us);
    pack_i64(out, t->tls_us);
    pack_i64(out, t->first_byte_us);
    pack_i64(out, t->total_us);
    pack_bool(out, t->reused_connection);
}

static void unpack_timing(struct unpack *u, struct timing *t)
{
    t->queue_us = unpack_i64(u);
    t->dns_us = unpack_i64(u);
    t->connect_us = unpack_i64(u);
    t->tls_us = unpack_i64(u);
    t->first_byte_us = unpack_i64(u);
    t->total_us = unpack_i64(u);
    t->reused_connection = unpack_bool(u);
}

void attempt_encode(const struct attempt *a, struct buf *out)
{
    size_t start = record_begin(out, ATTEMPT_VERSION);

    pack_u64(out, a->hook_id);
    pack_u64(out, a->org_id);
    pack_position(out, a->position);
    pack_id(out, &a->event_id);
    pack_str(out, a->kind);
    pack_i64(out, a->accepted_at_us);
    pack_i64(out, a->started_at_us);
    pack_u64(out, a->attempt);
    pack_u64(out, a->state);
    pack_i64(out, a->next_attempt_at_ms);
    pack_u64(out, a->error);
    pack_str(out, a->error_message);
    pack_u64(out, a->response_code);
    pack_bool(out, a->truncated);
    pack_timing(out, &a->timing);
    pack_str(out, a->request_url);
    pack_str(out, a->request_headers);
    pack_str(out, a->response_headers);
    pack_str(out, a->response_body);
    pack_str(out, a->payload);
    pack_i64(out, a->due_at_ms);
    record_end(out, start);
}

enum err attempt_decode(uint32_t place, struct str bytes, struct attempt *out)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, ATTEMPT_VERSION, &version, &u);

    if (err != OK)
        return err;
    out->hook_id = unpack_u64(&u);
    out->org_id = unpack_u64(&u);
    out->position = unpack_position(&u);
    out->event_id = unpack_id(&u);
    out->kind = unpack_str(&u);
    out->accepted_at_us = unpack_i64(&u);
    out->started_at_us = unpack_i64(&u);
    out->attempt = (uint32_t)unpack_u64(&u);
    out->state = (enum delivery_state)unpack_u64(&u);
    out->next_attempt_at_ms = unpack_i64(&u);
    out->error = (enum error_class)unpack_u64(&u);
    out->error_message = unpack_str(&u);
    out->response_code = (uint16_t)unpack_u64(&u);
    out->truncated = unpack_bool(&u);
    unpack_timing(&u, &out->timing);
    out->request_url = unpack_str(&u);
    out->request_headers = unpack_str(&u);
    out->response_headers = unpack_str(&u);
    out->response_body = unpack_str(&u);
    out->payload = unpack_str(&u);
    out->due_at_ms = version >= 2 ? unpack_i64(&u) : out->next_attempt_at_ms;
    if (out->state < DELIVERY_DELIVERED || out->state > DELIVERY_CANCELLED ||
        out->error > ERROR_GONE)
        return ERR_CORRUPT;
    return unpack_done(&u);
}

// --- marks ---

uint32_t mark_kind(struct str kind)
{
    return (uint32_t)hash64(kind, 0);
}

static void put_be32(uint8_t *to, uint32_t number)
{
    to[0] = (uint8_t)(number >> 24);
    to[1] = (uint8_t)(number >> 16);
    to[2] = (uint8_t)(number >> 8);
    to[3] = (uint8_t)number;
}

static uint32_t get_be32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
           (uint32_t)from[2] << 8 | from[3];
}

void attempt_place(const struct attempt *a, uint8_t out[PLACE_BYTES])
{
    int64_t took_ms = a->timing.total_us / 1000;

    put_be64(out, a->hook_id);
    memcpy(out + 8, a->position.bytes, 8);
    put_be64(out + 16, a->org_id);
    out += 24;
    out[0] = (uint8_t)a->state;
    out[1] = (uint8_t)a->error;
    out[2] = (uint8_t)(a->response_code >> 8);
    out[3] = (uint8_t)a->response_code;
    put_be32(out + 4, mark_kind(a->kind));
    put_be64(out + 8, (uint64_t)a->started_at_us);
    put_be32(out + 16, took_ms > 0 ? (uint32_t)took_ms : 0);
}

bool mark_decode(struct str bytes, struct mark *out)
{
    const uint8_t *b = (const uint8_t *)bytes.at;

    if (bytes.n_bytes != MARK_BYTES)
        return false;
    *out = (struct mark){ .state = (enum delivery_state)b[0],
                          .error = (enum error_class)b[1],
                          .code = (uint16_t)((unsigned)b[2] << 8 | b[3]),
                          .kind = get_be32(b + 4),
                          .started_at_us = (int64_t)get_be64(b + 8),
                          .took_ms = get_be32(b + 16) };
    return true;
}

bool mark_is_failed(const struct mark *m)
{
    return m->state != DELIVERY_DELIVERED || m->error != ERROR_NONE;
}

// --- a shard's state ---

void state_encode(const struct shard_state *s, struct buf *out)
{
    size_t start = record_begin(out, STATE_VERSION);

    pack_position(out, s->cursor);
    pack_u64(out, s->next_no);
    pack_u64(out, s->trimmed_delivered);
    pack_u64(out, s->trimmed_others);
    pack_u64(out, s->stats_from);
    pack_u64(out, s->longest_ms);
    pack_array(out, COUNTS);
    for (size_t i = 0; i < COUNTS; i++)
        pack_i64(out, s->counts[i]);
    pack_array(out, s->n_handovers);
    for (size_t i = 0; i < s->n_handovers; i++) {
        pack_array(out, s->handovers[i].n_shards);
        for (size_t k = 0; k < s->handovers[i].n_shards; k++)
            pack_position(out, s->handovers[i].cursors[k]);
    }
    pack_i64(out, s->clock_ms);
    pack_i64(out, s->ran_ms);
    pack_u64(out, s->last_org);
    record_end(out, start);
}

enum err state_decode(uint32_t place, struct str bytes, struct shard_state *out)
{
    struct unpack u;
    uint8_t version;
    uint32_t n_counts;
    enum err err = record_open(place, bytes, STATE_VERSION, &version, &u);

    if (err != OK)
        return err;
    memset(out, 0, sizeof(*out));
    out->cursor = unpack_position(&u);
    out->next_no = unpack_u64(&u);
    out->trimmed_delivered = unpack_u64(&u);
    out->trimmed_others = unpack_u64(&u);
    out->stats_from = unpack_u64(&u);
    out->longest_ms = unpack_u64(&u);
    n_counts = unpack_array(&u, COUNTS);
    for (size_t i = 0; i < n_counts; i++)
        out->counts[i] = unpack_i64(&u);
    out->n_handovers = unpack_array(&u, HANDOVERS_MAX);
    for (size_t i = 0; i < out->n_handovers; i++) {
        struct handover *h = &out->handovers[i];

        h->n_shards = unpack_array(&u, QUEUE_SHARDS_MAX);
        for (size_t k = 0; k < h->n_shards; k++)
            h->cursors[k] = unpack_position(&u);
    }
    if (version >= 2) {
        out->clock_ms = unpack_i64(&u);
        out->ran_ms = unpack_i64(&u);
    }
    if (version >= 3)
        out->last_org = unpack_u64(&u);
    return unpack_done(&u);
}

// --- tokens ---

void token_encode(const struct token *t, struct buf *out)
{
    size_t start = record_begin(out, TOKEN_VERSION);

    pack_str(out, t->id);
    pack_str(out, t->org);
    pack_u64(out, t->scopes);
    pack_str(out, t->name);
    pack_i64(out, t->created_at_ms);
    pack_i64(out, t->expires_at_ms);
    record_end(out, start);
}

enum err token_decode(uint32_t place, struct str hash, struct str bytes,
                      struct token *out)
{
    uint8_t version;
    struct unpack u;
    enum err err = record_open(place, bytes, TOKEN_VERSION, &version, &u);

    if (err != OK || hash.n_bytes != TOKEN_HASH_BYTES)
        return ERR_CORRUPT;
    memcpy(out->hash, hash.at, TOKEN_HASH_BYTES);
    out->id = unpack_str(&u);
    out->org = unpack_str(&u);
    out->scopes = (unsigned)unpack_u64(&u);
    out->name = unpack_str(&u);
    out->created_at_ms = unpack_i64(&u);
    out->expires_at_ms = unpack_i64(&u);
    return unpack_done(&u);
}
