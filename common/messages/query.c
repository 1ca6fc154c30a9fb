// SPDX-License-Identifier: MIT
// query.c — queries of the api process to the dispatcher that owns a hook.

#include "common/messages/query.h"

#include "common/base/codec.h"
#include "common/process/role.h"

#define QUERY(name) MEMBER(struct query, name)

static const struct member query_members[] = {
    QUERY(no),      MEMBER_MAX(struct query, what, QUERY_DRAFT),
    QUERY(hook_id), QUERY(event_id.bytes),
    QUERY(dialect), QUERY(is_dry),
    QUERY(org),     QUERY(project),
    QUERY(text),    QUERY(event),
    QUERY(by),      QUERY(after),
    QUERY(max),     QUERY(is_admin),
};

void query_pack(struct buf *frame, const struct query *query)
{
    frame_pack(frame, FRAME_QUERY, MEMBERS(query_members), query);
}

enum err query_unpack(struct str frame, struct query *out)
{
    enum err err =
        frame_unpack(frame, FRAME_QUERY, MEMBERS(query_members), out);

    return err == OK && out->what < QUERY_PING ? ERR_CORRUPT : err;
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
    frame_pack(frame, FRAME_REPLY, MEMBERS(reply_members), reply);
}

enum err reply_unpack(struct str frame, struct reply *out)
{
    return frame_unpack(frame, FRAME_REPLY, MEMBERS(reply_members), out);
}
