// SPDX-License-Identifier: MIT
// replay_record.c — encodes and decodes replays.

#include "queue/records/replay_record.h"

#include <string.h>

#include "common/base/codec.h"
#include "queue/records/schema.h"

#define REPLAY(name) MEMBER(struct replay, name)

// Between the two lie the kinds of the filter.
static const struct member replay_head[] = {
    REPLAY(id.bytes),        REPLAY(hook_id),
    REPLAY(org_id),          MEMBER_MAX(struct replay, state, REPLAY_CANCELLED),
    REPLAY(created_at_ms),   REPLAY(ended_at_ms),
    REPLAY(rate_per_second), REPLAY(filter.states),
    REPLAY(filter.errors),   REPLAY(filter.has_code),
    REPLAY(filter.code),     REPLAY(filter.since_us),
    REPLAY(filter.until_us),
};
static const struct member replay_tail[] = {
    REPLAY(ids),  REPLAY(unmatched), REPLAY(next),
    REPLAY(end),  REPLAY(matched),   REPLAY(delivered),
    REPLAY(dead), REPLAY(cancelled), REPLAY(retrying),
};

void replay_encode(const struct replay *r, struct buf *out)
{
    size_t start = record_begin(out, REPLAY_VERSION);

    members_pack(out, MEMBERS(replay_head), r);
    pack_array(out, (uint32_t)r->filter.n_kinds);
    for (size_t i = 0; i < r->filter.n_kinds; i++)
        pack_str(out, r->filter.kinds[i]);
    members_pack(out, MEMBERS(replay_tail), r);
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
    members_unpack(&u, MEMBERS(replay_head), version, out);
    out->filter.n_kinds = unpack_array(&u, FILTER_KINDS_MAX);
    for (size_t i = 0; i < out->filter.n_kinds; i++)
        out->filter.kinds[i] = unpack_str(&u);
    members_unpack(&u, MEMBERS(replay_tail), version, out);
    return out->state < REPLAY_RUNNING ? ERR_CORRUPT : unpack_done(&u);
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
