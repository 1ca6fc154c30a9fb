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

#define REPORT(name) MEMBER(struct handshake_report, name)

static const struct member handshake_members[] = {
    REPORT(hook_id),
    REPORT(revision),
    REPORT(url_sha256),
    REPORT(origin),
    REPORT(reason),
    MEMBER_MAX(struct handshake_report, answer, HANDSHAKE_FAILED),
    REPORT(rate_per_minute),
    REPORT(at_ms),
};

void engine_event_pack(struct buf *frame, const struct engine_event *event)
{
    frame_pack(frame, FRAME_ENGINE_EVENT, MEMBERS(event_members), event);
}

enum err engine_event_unpack(struct str frame, struct engine_event *out)
{
    return frame_unpack(frame, FRAME_ENGINE_EVENT, MEMBERS(event_members), out);
}

void engine_event_reply_pack(struct buf *frame,
                             const struct engine_event_reply *reply)
{
    frame_pack(frame, FRAME_ENGINE_EVENT_REPLY, MEMBERS(reply_members), reply);
}

enum err engine_event_reply_unpack(struct str frame,
                                   struct engine_event_reply *out)
{
    return frame_unpack(frame, FRAME_ENGINE_EVENT_REPLY, MEMBERS(reply_members),
                        out);
}

void disable_pack(struct buf *frame, const struct disable *disable)
{
    frame_pack(frame, FRAME_DISABLE, MEMBERS(disable_members), disable);
}

enum err disable_unpack(struct str frame, struct disable *out)
{
    return frame_unpack(frame, FRAME_DISABLE, MEMBERS(disable_members), out);
}

void handshake_pack(struct buf *frame, const struct handshake_report *report)
{
    frame_pack(frame, FRAME_HANDSHAKE, MEMBERS(handshake_members), report);
}

enum err handshake_unpack(struct str frame, struct handshake_report *out)
{
    return frame_unpack(frame, FRAME_HANDSHAKE, MEMBERS(handshake_members),
                        out);
}
