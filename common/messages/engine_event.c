// SPDX-License-Identifier: MIT
// engine_event.c — what dispatchers report about the engine itself.

#include "common/messages/engine_event.h"

#include "common/base/codec.h"
#include "common/process/role.h"

#define EVENT(name) MEMBER(struct engine_event, name)

static const struct member event_members[] = {
    EVENT(id.bytes), EVENT(dialect), EVENT(accepted_at_us),
    EVENT(kind),     EVENT(org),     EVENT(project),
    EVENT(stack),    EVENT(env),     EVENT(payload),
};
static const struct member reply_members[] = {
    MEMBER(struct engine_event_reply, id.bytes),
    MEMBER_MAX(struct engine_event_reply, err, ERR_IO),
};
static const struct member disable_members[] = {
    MEMBER(struct disable, hook_id),
    MEMBER(struct disable, revision),
    MEMBER(struct disable, reason),
};

void engine_event_pack(struct buf *frame, const struct engine_event *event)
{
    pack_u64(frame, FRAME_ENGINE_EVENT);
    members_pack(frame, MEMBERS(event_members), event);
}

enum err engine_event_unpack(struct str frame, struct engine_event *out)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_ENGINE_EVENT)
        return ERR_CORRUPT;
    members_unpack(&u, MEMBERS(event_members), 1, out);
    return unpack_done(&u);
}

void engine_event_reply_pack(struct buf *frame,
                             const struct engine_event_reply *reply)
{
    pack_u64(frame, FRAME_ENGINE_EVENT_REPLY);
    members_pack(frame, MEMBERS(reply_members), reply);
}

enum err engine_event_reply_unpack(struct str frame,
                                   struct engine_event_reply *out)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_ENGINE_EVENT_REPLY)
        return ERR_CORRUPT;
    members_unpack(&u, MEMBERS(reply_members), 1, out);
    return unpack_done(&u);
}

void disable_pack(struct buf *frame, const struct disable *disable)
{
    pack_u64(frame, FRAME_DISABLE);
    members_pack(frame, MEMBERS(disable_members), disable);
}

enum err disable_unpack(struct str frame, struct disable *out)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_DISABLE)
        return ERR_CORRUPT;
    members_unpack(&u, MEMBERS(disable_members), 1, out);
    return unpack_done(&u);
}
