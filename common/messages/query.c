// SPDX-License-Identifier: MIT
// query.c — queries of the api process to the dispatcher that owns a hook.

#include "common/messages/query.h"

#include "common/base/codec.h"
#include "common/process/role.h"

#define QUERY(name) MEMBER(struct query, name)

static const struct member query_members[] = {
    QUERY(no),      MEMBER_MAX(struct query, what, QUERY_DISCARD),
    QUERY(hook_id), QUERY(event_id.bytes),
    QUERY(dialect), QUERY(is_dry),
    QUERY(org),     QUERY(project),
    QUERY(text),    QUERY(event),
    QUERY(by),      QUERY(after),
    QUERY(max),     QUERY(is_admin),
};

void query_pack(struct buf *frame, const struct query *query)
{
    pack_u64(frame, FRAME_QUERY);
    members_pack(frame, MEMBERS(query_members), query);
}

enum err query_unpack(struct str frame, struct query *out)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_QUERY)
        return ERR_CORRUPT;
    members_unpack(&u, MEMBERS(query_members), 1, out);
    return out->what < QUERY_PING ? ERR_CORRUPT : unpack_done(&u);
}

void forget_pack(struct buf *frame, uint64_t no)
{
    pack_u64(frame, FRAME_FORGET);
    pack_u64(frame, no);
}

#define REPLY(name) MEMBER(struct reply, name)

static const struct member reply_members[] = {
    REPLY(no),
    MEMBER_MAX(struct reply, err, ERR_IO),
    REPLY(position),
    REPLY(event_id.bytes),
    REPLY(started_at_us),
    REPLY(text),
    REPLY(n),
    REPLY(n_gone),
};

void reply_pack(struct buf *frame, const struct reply *reply)
{
    pack_u64(frame, FRAME_REPLY);
    members_pack(frame, MEMBERS(reply_members), reply);
}

enum err reply_unpack(struct str frame, struct reply *out)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_REPLY)
        return ERR_CORRUPT;
    members_unpack(&u, MEMBERS(reply_members), 1, out);
    return unpack_done(&u);
}
