// SPDX-License-Identifier: MIT
// delivery_record.c — records to bytes and back.

#include "queue/records/schema.h"

#include <string.h>

#include "common/base/codec.h"

const char *const events_dbs[EVENTS_DBS] = { "events", "keys", "key_times",
                                             "meta", "stacks" };
const char *const shard_dbs[SHARD_DBS] = {
    "due",    "dead",   "attempts", "by_owner", "failed", "by_event", "meta",
    "health", "outbox", "stats",    "replays",  "needed", "listed"
};
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

// --- events ---

// Before the key, which is no member; the payload follows it, from version 3 on the
// attributes of a CloudEvent, from version 4 on the flags and when the payload was erased.
// A record has the lowest version that holds all of it, so that an older program reads as
// many as it can.
static const struct member event_members[] = {
    MEMBER(struct event, id.bytes),
    MEMBER(struct event, accepted_at_us),
    MEMBER_MAX(struct event, dialect, DIALECT_AKINON),
    MEMBER(struct event, filters),
    MEMBER(struct event, kind),
    MEMBER(struct event, org),
    MEMBER(struct event, project),
    MEMBER(struct event, stack),
    MEMBER(struct event, env),
    MEMBER_SINCE(struct event, trace, 2),
};

void event_encode(const struct event *e, const uint8_t *key, struct buf *out)
{
    unsigned version = e->flags != 0 ? 4 : e->cloud.n_bytes > 0 ? 3 : 2;
    size_t start = record_begin(out, (uint8_t)version);

    members_pack(out, MEMBERS(event_members), e);
    pack_str(out, (struct str){ (const char *)key, key != NULL ? 16 : 0 });
    pack_str(out, e->payload);
    if (version >= 3)
        pack_str(out, e->cloud);
    if (version >= 4) {
        pack_u64(out, e->flags);
        pack_i64(out, e->erased_at_ms);
    }
    record_end(out, start);
}

enum err event_decode(uint32_t place, struct str bytes, struct event *out,
                      struct str *key)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, EVENT_VERSION, &version, &u);

    if (err != OK)
        return err;
    members_unpack(&u, MEMBERS(event_members), version, out);
    *key = unpack_str(&u);
    out->payload = unpack_str(&u);
    out->cloud = version >= 3 ? unpack_str(&u) : STR_EMPTY;
    out->flags = version >= 4 ? unpack_u64(&u) : 0;
    out->erased_at_ms = version >= 4 ? unpack_i64(&u) : 0;
    out->is_locked = false;
    out->may_open = false;
    out->is_closed = event_is_sealed(out) && !event_is_erased(out);
    out->n_sealed_bytes = out->is_closed ? out->payload.n_bytes : 0;
    if (out->dialect < DIALECT_PULUMI || (out->flags & ~EVENT_FLAGS_KNOWN) != 0)
        return ERR_CORRUPT;
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

static const struct member key_members[] = {
    MEMBER_NUMBER(struct key_row, position.bytes, 1),
    MEMBER(struct key_row, accepted_at_us),
    MEMBER(struct key_row, event_id.bytes),
    MEMBER(struct key_row, content),
};

void key_encode(const struct key_row *k, struct buf *out)
{
    record_pack(out, k->is_old ? 1 : KEY_VERSION, MEMBERS(key_members), k);
}

enum err key_decode(uint32_t place, struct str bytes, struct key_row *out)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, KEY_VERSION, &version, &u);

    if (err != OK)
        return err;
    members_unpack(&u, MEMBERS(key_members), version, out);
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

static const struct member due_members[] = {
    MEMBER(struct due_row, n_attempts),
    MEMBER(struct due_row, n_crashes),
    MEMBER(struct due_row, queue_us),
    MEMBER(struct due_row, not_before_ms),
    MEMBER(struct due_row, ordering_key),
    MEMBER(struct due_row, replay),
    MEMBER(struct due_row, n_before),
    MEMBER_SINCE(struct due_row, payload_bytes, 2),
};

void due_encode(const struct due_row *r, uint8_t key[DUE_KEY_BYTES],
                struct buf *out)
{
    due_key(r, key);
    record_pack(out, DUE_VERSION, MEMBERS(due_members), r);
}

enum err due_decode(uint32_t place, struct str key, struct str bytes,
                    struct due_row *out)
{
    const uint8_t *k = (const uint8_t *)key.at;

    if (key.n_bytes != DUE_KEY_BYTES)
        return ERR_CORRUPT;
    out->hook_id = get_be64(k);
    out->due_at_ms = (int64_t)get_be64(k + 8);
    memcpy(out->position.bytes, k + 16, 8);
    return record_unpack(place, bytes, DUE_VERSION, MEMBERS(due_members), out);
}

void dead_key(uint64_t hook_id, struct position position,
              uint8_t key[DEAD_KEY_BYTES])
{
    put_be64(key, hook_id);
    memcpy(key + 8, position.bytes, 8);
}

static const struct member dead_members[] = {
    MEMBER(struct dead_row, dead_at_ms),
    MEMBER(struct dead_row, n_attempts),
    MEMBER(struct dead_row, queue_us),
};

void dead_encode(const struct dead_row *r, uint8_t key[DEAD_KEY_BYTES],
                 struct buf *out)
{
    dead_key(r->hook_id, r->position, key);
    record_pack(out, DEAD_VERSION, MEMBERS(dead_members), r);
}

enum err dead_decode(uint32_t place, struct str key, struct str bytes,
                     struct dead_row *out)
{
    const uint8_t *k = (const uint8_t *)key.at;

    if (key.n_bytes != DEAD_KEY_BYTES)
        return ERR_CORRUPT;
    out->hook_id = get_be64(k);
    memcpy(out->position.bytes, k + 8, 8);
    return record_unpack(place, bytes, DEAD_VERSION, MEMBERS(dead_members),
                         out);
}

// --- history ---

#define ATTEMPT(name) MEMBER(struct attempt, name)

static const struct member attempt_members[] = {
    ATTEMPT(hook_id),
    ATTEMPT(org_id),
    MEMBER_NUMBER(struct attempt, position.bytes, 1),
    ATTEMPT(event_id.bytes),
    ATTEMPT(kind),
    ATTEMPT(accepted_at_us),
    ATTEMPT(started_at_us),
    ATTEMPT(attempt),
    MEMBER_MAX(struct attempt, state, DELIVERY_CANCELLED),
    ATTEMPT(next_attempt_at_ms),
    MEMBER_MAX(struct attempt, error, ERROR_GONE),
    ATTEMPT(error_message),
    ATTEMPT(response_code),
    ATTEMPT(truncated),
    ATTEMPT(timing.queue_us),
    ATTEMPT(timing.dns_us),
    ATTEMPT(timing.connect_us),
    ATTEMPT(timing.tls_us),
    ATTEMPT(timing.first_byte_us),
    ATTEMPT(timing.total_us),
    ATTEMPT(timing.reused_connection),
    ATTEMPT(request_url),
    ATTEMPT(request_headers),
    ATTEMPT(response_headers),
    ATTEMPT(response_body),
    ATTEMPT(payload),
    MEMBER_SINCE(struct attempt, due_at_ms, 2),
    MEMBER_SINCE(struct attempt, sealed, 3), // last: only if there is one
};

// As that of an event, a record has the lowest version that holds all of it.
void attempt_encode(const struct attempt *a, struct buf *out)
{
    const size_t n = sizeof(attempt_members) / sizeof(attempt_members[0]);
    bool is_sealed = a->sealed.n_bytes > 0;

    record_pack(out, is_sealed ? ATTEMPT_VERSION : 2, attempt_members,
                is_sealed ? n : n - 1, a);
}

enum err attempt_decode(uint32_t place, struct str bytes, struct attempt *out)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, ATTEMPT_VERSION, &version, &u);

    if (err != OK)
        return err;
    members_unpack(&u, MEMBERS(attempt_members), version, out);
    if (version < 2)
        out->due_at_ms = out->next_attempt_at_ms;
    out->is_locked = false;
    return out->state < DELIVERY_DELIVERED ? ERR_CORRUPT : unpack_done(&u);
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

// Between the two lie the counts and the handovers.
static const struct member state_head[] = {
    MEMBER_NUMBER(struct shard_state, cursor.bytes, 1),
    MEMBER(struct shard_state, next_no),
    MEMBER(struct shard_state, trimmed_delivered),
    MEMBER(struct shard_state, trimmed_others),
    MEMBER(struct shard_state, stats_from),
    MEMBER(struct shard_state, longest_ms),
};
static const struct member state_tail[] = {
    MEMBER_SINCE(struct shard_state, clock_ms, 2),
    MEMBER_SINCE(struct shard_state, ran_ms, 2),
    MEMBER_SINCE(struct shard_state, last_org, 3),
};

void state_encode(const struct shard_state *s, struct buf *out)
{
    size_t start = record_begin(out, STATE_VERSION);

    members_pack(out, MEMBERS(state_head), s);
    pack_array(out, COUNTS);
    for (size_t i = 0; i < COUNTS; i++)
        pack_i64(out, s->counts[i]);
    pack_array(out, s->n_handovers);
    for (size_t i = 0; i < s->n_handovers; i++) {
        pack_array(out, s->handovers[i].n_shards);
        for (size_t k = 0; k < s->handovers[i].n_shards; k++)
            pack_position(out, s->handovers[i].cursors[k]);
    }
    members_pack(out, MEMBERS(state_tail), s);
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
    members_unpack(&u, MEMBERS(state_head), version, out);
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
    members_unpack(&u, MEMBERS(state_tail), version, out);
    return unpack_done(&u);
}

// --- tokens ---

static const struct member token_members[] = {
    MEMBER(struct token, id),
    MEMBER(struct token, org),
    MEMBER(struct token, scopes),
    MEMBER(struct token, name),
    MEMBER(struct token, created_at_ms),
    MEMBER(struct token, expires_at_ms),
};

void token_encode(const struct token *t, struct buf *out)
{
    record_pack(out, TOKEN_VERSION, MEMBERS(token_members), t);
}

enum err token_decode(uint32_t place, struct str hash, struct str bytes,
                      struct token *out)
{
    if (hash.n_bytes != TOKEN_HASH_BYTES)
        return ERR_CORRUPT;
    memcpy(out->hash, hash.at, TOKEN_HASH_BYTES);
    return record_unpack(place, bytes, TOKEN_VERSION, MEMBERS(token_members),
                         out);
}
