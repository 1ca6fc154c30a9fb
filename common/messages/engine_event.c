// SPDX-License-Identifier: MIT
// engine_event.c — what dispatchers report about the engine itself.

#include "common/messages/engine_event.h"

#include "common/base/codec.h"
#include "common/process/role.h"

void engine_event_pack(struct buf *frame, const struct engine_event *event)
{
    pack_u64(frame, FRAME_ENGINE_EVENT);
    pack_id(frame, &event->id);
    pack_u64(frame, event->dialect);
    pack_i64(frame, event->accepted_at_us);
    pack_str(frame, event->kind);
    pack_str(frame, event->org);
    pack_str(frame, event->project);
    pack_str(frame, event->stack);
    pack_str(frame, event->env);
    pack_str(frame, event->payload);
}

enum err engine_event_unpack(struct str frame, struct engine_event *out)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_ENGINE_EVENT)
        return ERR_CORRUPT;
    out->id = unpack_id(&u);
    out->dialect = (unsigned)unpack_u64(&u);
    out->accepted_at_us = unpack_i64(&u);
    out->kind = unpack_str(&u);
    out->org = unpack_str(&u);
    out->project = unpack_str(&u);
    out->stack = unpack_str(&u);
    out->env = unpack_str(&u);
    out->payload = unpack_str(&u);
    return unpack_done(&u);
}

void engine_event_reply_pack(struct buf *frame,
                             const struct engine_event_reply *reply)
{
    pack_u64(frame, FRAME_ENGINE_EVENT_REPLY);
    pack_id(frame, &reply->id);
    pack_u64(frame, reply->err);
}

enum err engine_event_reply_unpack(struct str frame,
                                   struct engine_event_reply *out)
{
    struct unpack u = unpack_of(frame);
    uint64_t err_no;

    if (unpack_u64(&u) != FRAME_ENGINE_EVENT_REPLY)
        return ERR_CORRUPT;
    out->id = unpack_id(&u);
    err_no = unpack_u64(&u);
    if (unpack_done(&u) != OK || err_no > ERR_IO)
        return ERR_CORRUPT;
    out->err = (enum err)err_no;
    return OK;
}

void disable_pack(struct buf *frame, const struct disable *disable)
{
    pack_u64(frame, FRAME_DISABLE);
    pack_u64(frame, disable->hook_id);
    pack_u64(frame, disable->revision);
    pack_u64(frame, disable->reason);
}

enum err disable_unpack(struct str frame, struct disable *out)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_DISABLE)
        return ERR_CORRUPT;
    out->hook_id = unpack_u64(&u);
    out->revision = unpack_u64(&u);
    out->reason = (unsigned)unpack_u64(&u);
    return unpack_done(&u);
}
