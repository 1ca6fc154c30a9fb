// SPDX-License-Identifier: MIT
// engine_event.h — what dispatchers report about the engine itself: events for
// ingest to append, hooks for the api process to switch off, and answers of receivers.

#ifndef COMMON_MESSAGES_ENGINE_EVENT_H
#define COMMON_MESSAGES_ENGINE_EVENT_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"
#include "common/model/hook.h"

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

// What a hook's receiver answered to the handshake, for the hook's record.
struct handshake_report {
    uint64_t hook_id;
    uint64_t revision; // as the dispatcher knows it
    // As in struct hook_handshake:
    struct str url_sha256, origin, reason;
    enum handshake_answer answer;
    uint32_t rate_per_minute;
    int64_t at_ms;
};

// Append a frame's content.
void handshake_pack(struct buf *frame, const struct handshake_report *report);
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
MUST_CHECK enum err handshake_unpack(struct str frame,
                                     struct handshake_report *out);
MUST_CHECK enum err disable_unpack(struct str frame, struct disable *out);

#endif
