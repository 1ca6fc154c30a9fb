// SPDX-License-Identifier: MIT
// engine_event.c — what dispatchers report about the engine itself.

#include "common/messages/engine_event.h"

#include "common/base/codec.h"
#include "common/process/role.h"

void engine_event_pack(struct buf *frame, const struct engine_event *emit)
{
    pack_u64(frame, FRAME_EMIT);
    pack_id(frame, &emit->id);
    pack_u64(frame, emit->dialect);
    pack_i64(frame, emit->accepted_at_us);
    pack_str(frame, emit->kind);
    pack_str(frame, emit->org);
    pack_str(frame, emit->project);
    pack_str(frame, emit->stack);
    pack_str(frame, emit->env);
    pack_str(frame, emit->payload);
}

enum err engine_event_unpack(struct str frame, struct engine_event *out)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_EMIT)
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

void emitted_pack(struct buf *frame, const struct emitted *emitted)
{
    pack_u64(frame, FRAME_EMITTED);
    pack_id(frame, &emitted->id);
    pack_u64(frame, emitted->err);
}

enum err emitted_unpack(struct str frame, struct emitted *out)
{
    struct unpack u = unpack_of(frame);
    uint64_t err_no;

    if (unpack_u64(&u) != FRAME_EMITTED)
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
