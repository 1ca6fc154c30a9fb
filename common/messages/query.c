// SPDX-License-Identifier: MIT
// query.c — queries of the api process to the dispatcher that owns a hook.

#include "common/messages/query.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/process/role.h"

void query_pack(struct buf *frame, const struct query *query)
{
    pack_u64(frame, FRAME_QUERY);
    pack_u64(frame, query->no);
    pack_u64(frame, query->what);
    pack_u64(frame, query->hook_id);
    pack_id(frame, &query->event_id);
    pack_u64(frame, query->dialect);
    pack_bool(frame, query->is_dry);
    pack_str(frame, query->org);
    pack_str(frame, query->project);
    pack_str(frame, query->text);
    pack_str(frame, query->event);
    pack_str(frame, query->by);
    pack_str(frame, query->after);
    pack_u64(frame, query->max);
    pack_bool(frame, query->is_admin);
}

enum err query_unpack(struct str frame, struct query *out)
{
    struct unpack u = unpack_of(frame);
    uint64_t what;
    enum err err;

    if (unpack_u64(&u) != FRAME_QUERY)
        return ERR_CORRUPT;
    out->no = unpack_u64(&u);
    what = unpack_u64(&u);
    out->hook_id = unpack_u64(&u);
    out->event_id = unpack_id(&u);
    out->dialect = (unsigned)unpack_u64(&u);
    out->is_dry = unpack_bool(&u);
    out->org = unpack_str(&u);
    out->project = unpack_str(&u);
    out->text = unpack_str(&u);
    out->event = unpack_str(&u);
    out->by = unpack_str(&u);
    out->after = unpack_str(&u);
    out->max = unpack_u64(&u);
    out->is_admin = unpack_bool(&u);
    err = unpack_done(&u);
    if (err == OK && (what < QUERY_PING || what > QUERY_DISCARD))
        err = ERR_CORRUPT;
    if (err == OK)
        out->what = (enum query_what)what;
    return err;
}

void forget_pack(struct buf *frame, uint64_t no)
{
    pack_u64(frame, FRAME_FORGET);
    pack_u64(frame, no);
}

void reply_pack(struct buf *frame, const struct reply *reply)
{
    pack_u64(frame, FRAME_REPLY);
    pack_u64(frame, reply->no);
    pack_u64(frame, reply->err);
    pack_str(frame, (struct str){ (const char *)reply->position,
                                  sizeof(reply->position) });
    pack_id(frame, &reply->event_id);
    pack_i64(frame, reply->started_at_us);
    pack_str(frame, reply->text);
    pack_u64(frame, reply->n);
    pack_u64(frame, reply->n_gone);
}

enum err reply_unpack(struct str frame, struct reply *out)
{
    struct unpack u = unpack_of(frame);
    struct str position;
    uint64_t err_no;

    if (unpack_u64(&u) != FRAME_REPLY)
        return ERR_CORRUPT;
    out->no = unpack_u64(&u);
    err_no = unpack_u64(&u);
    position = unpack_str(&u);
    out->event_id = unpack_id(&u);
    out->started_at_us = unpack_i64(&u);
    out->text = unpack_str(&u);
    out->n = unpack_u64(&u);
    out->n_gone = unpack_u64(&u);
    if (unpack_done(&u) != OK || err_no > ERR_IO ||
        position.n_bytes != sizeof(out->position))
        return ERR_CORRUPT;
    memcpy(out->position, position.at, sizeof(out->position));
    out->err = (enum err)err_no;
    return OK;
}
