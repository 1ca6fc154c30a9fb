// SPDX-License-Identifier: MIT
// replay_record.c — encodes and decodes replays.

#include "queue/records/replay_record.h"

#include <string.h>

#include "common/base/codec.h"
#include "queue/records/schema.h"

static void pack_filter(struct buf *out, const struct history_filter *f)
{
    pack_u64(out, f->states);
    pack_u64(out, f->errors);
    pack_bool(out, f->has_code);
    pack_u64(out, f->code);
    pack_i64(out, f->since_us);
    pack_i64(out, f->until_us);
    pack_array(out, (uint32_t)f->n_kinds);
    for (size_t i = 0; i < f->n_kinds; i++)
        pack_str(out, f->kinds[i]);
}

static void unpack_filter(struct unpack *u, struct history_filter *f)
{
    f->states = (unsigned)unpack_u64(u);
    f->errors = (unsigned)unpack_u64(u);
    f->has_code = unpack_bool(u);
    f->code = (uint16_t)unpack_u64(u);
    f->since_us = unpack_i64(u);
    f->until_us = unpack_i64(u);
    f->n_kinds = unpack_array(u, FILTER_KINDS_MAX);
    for (size_t i = 0; i < f->n_kinds; i++)
        f->kinds[i] = unpack_str(u);
}

void replay_encode(const struct replay *r, struct buf *out)
{
    size_t start = record_begin(out, REPLAY_VERSION);

    pack_id(out, &r->id);
    pack_u64(out, r->hook_id);
    pack_u64(out, r->org_id);
    pack_u64(out, r->state);
    pack_i64(out, r->created_at_ms);
    pack_i64(out, r->ended_at_ms);
    pack_u64(out, r->rate_per_second);
    pack_filter(out, &r->filter);
    pack_str(out, r->ids);
    pack_bool(out, r->unmatched);
    pack_u64(out, r->next);
    pack_u64(out, r->end);
    pack_u64(out, r->matched);
    pack_u64(out, r->delivered);
    pack_u64(out, r->dead);
    pack_u64(out, r->cancelled);
    pack_u64(out, r->retrying);
    record_end(out, start);
}

enum err replay_decode_at(uint32_t place, struct str record, struct replay *out)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, record, REPLAY_VERSION, &version, &u);

    if (err != OK)
        return err;
    memset(out, 0, sizeof(*out));
    out->id = unpack_id(&u);
    out->hook_id = unpack_u64(&u);
    out->org_id = unpack_u64(&u);
    out->state = (enum replay_state)unpack_u64(&u);
    out->created_at_ms = unpack_i64(&u);
    out->ended_at_ms = unpack_i64(&u);
    out->rate_per_second = (uint32_t)unpack_u64(&u);
    unpack_filter(&u, &out->filter);
    out->ids = unpack_str(&u);
    out->unmatched = unpack_bool(&u);
    out->next = unpack_u64(&u);
    out->end = unpack_u64(&u);
    out->matched = unpack_u64(&u);
    out->delivered = unpack_u64(&u);
    out->dead = unpack_u64(&u);
    out->cancelled = unpack_u64(&u);
    out->retrying = unpack_u64(&u);
    if (out->state < REPLAY_RUNNING || out->state > REPLAY_CANCELLED)
        return ERR_CORRUPT;
    return unpack_done(&u);
}

enum err replay_decode(struct str record, struct replay *out)
{
    return replay_decode_at(RECORD_NOWHERE, record, out);
}

bool replay_is_at(const struct replay *r, struct str key)
{
    return key.n_bytes == REPLAY_KEY_BYTES &&
           memcmp(key.at, r->id.bytes, sizeof(r->id.bytes)) == 0 &&
           get_be64((const uint8_t *)key.at + sizeof(r->id.bytes)) ==
               r->hook_id;
}
