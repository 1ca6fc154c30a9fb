// SPDX-License-Identifier: MIT
// engine_event.h — what dispatchers report about the engine itself: events for
// ingest to append, and hooks for the api process to switch off.

#ifndef COMMON_MESSAGES_ENGINE_EVENT_H
#define COMMON_MESSAGES_ENGINE_EVENT_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"

// An event of the engine's own. Ingest replies with a struct engine_event_reply.
struct engine_event {
    struct id id;
    unsigned dialect; // as in enum dialect
    int64_t accepted_at_us;
    struct str kind, org, project, stack, env, payload;
};

struct engine_event_reply {
    struct id id;
    enum err err; // OK: it is in the event log. ERR_FULL: send it again
};

// A hook that is to be switched off if its revision has not changed.
struct disable {
    uint64_t hook_id;
    uint64_t revision;
    unsigned reason; // as in enum hook_disabled
};

// Append a frame's content.
void engine_event_pack(struct buf *frame, const struct engine_event *event);
void engine_event_reply_pack(struct buf *frame,
                             const struct engine_event_reply *reply);
void disable_pack(struct buf *frame, const struct disable *disable);

// Read a frame; the strings are borrowed from it. ERR_CORRUPT: the frame is of
// another form.
MUST_CHECK enum err engine_event_unpack(struct str frame,
                                        struct engine_event *out);
MUST_CHECK enum err engine_event_reply_unpack(struct str frame,
                                              struct engine_event_reply *out);
MUST_CHECK enum err disable_unpack(struct str frame, struct disable *out);

#endif
