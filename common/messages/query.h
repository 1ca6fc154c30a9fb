// SPDX-License-Identifier: MIT
// query.h — what the api process asks of the dispatcher that owns a hook.
//
// A question has an answer, later, on the same channel. The truth is in the
// database: the answer only says where the attempt lies that was made.

#ifndef COMMON_MESSAGES_QUERY_H
#define COMMON_MESSAGES_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"

enum ask_what {
    QUERY_PING = 1,      // send a ping now
    QUERY_REDELIVER = 2, // send this event to the hook once more, now
    QUERY_STATUS = 3,    // how it goes: `text` of the answer is a JSON object
    // `text` is a replay's record (common/model/replay.h) without its numbers. With a
    // hook's number of 0: of all hooks of `org`. The answer comes when they are
    // counted: `n`, and `n_gone` whose payload retention has removed. If `n` is 0,
    // or it `is_dry`, there is no replay.
    QUERY_REPLAY = 4,
    QUERY_CANCEL_REPLAY =
        5, // the one with this id: `event_id`; of a hook or of all
    // Whether these hooks (`text`: 8 bytes each, their numbers) want an event of
    // `org`: the one of this id, or if it is 0, the one in `event` (JSON, as
    // posted). `text` of the answer: a JSON array's elements; with requests up to
    // `max` bytes, unless it `is_dry`.
    QUERY_EXPLAIN = 6,
    // Settle dead letters as cancelled: `text` is a replay's record, of which filter
    // and ids count. With a hook's number of 0: of all hooks of `org`, or, with
    // `project`, of those of it alone, deleted ones too. `by` is who asks, in
    // words. The answer comes when it is committed: `n` match, of which `n_gone`
    // are just being sent and left alone; if it `is_dry`, all are. Unless it is
    // empty, `text` of the answer is what `after` of the next question shall be,
    // to go on where this one stopped. ERR_FULL: no room on the disk. ERR_BUSY: too
    // many such questions at once.
    QUERY_DISCARD = 7
};

#define DISCARD_AFTER_BYTES 16 // of a hook's number and a position

struct query {
    uint64_t no; // chosen by api, echoed in the answer
    enum ask_what what;
    uint64_t hook_id;
    struct id event_id; // QUERY_REDELIVER
    unsigned family;    // enum family, with `org`
    bool is_dry;
    bool is_admin; // QUERY_REPLAY: with the admin token
    struct str org, project, text, event;
    struct str by, after; // QUERY_DISCARD
    uint64_t
        max; // QUERY_DISCARD: so many at most; 0: no limit. QUERY_EXPLAIN: bytes
};

// What requests an answer to QUERY_EXPLAIN may have: the largest event in quotes, twice
// as long then, fits.
#define EXPLAIN_REQUESTS_MAX_BYTES ((size_t)12 << 20)

struct reply {
    uint64_t no;
    // OK: the attempt was made, whatever came of it, and its row is committed.
    // ERR_NOTFOUND: no such hook, or no such event for it. ERR_GONE: retention
    // removed the payload. ERR_AGAIN: no sender is there, the engine stops, or
    // the delivery is just being settled. ERR_BUSY: too many at once; `text` may
    // say which limit that is. ERR_FULL:
    // no room to store what would become of it. ERR_CRASHED: the dispatcher died
    // three times with this question.
    enum err err;
    uint8_t position[8]; // of the event, as in struct position
    struct id event_id;
    int64_t started_at_us; // UTC epoch
    struct str text;       // QUERY_STATUS, QUERY_EXPLAIN, QUERY_DISCARD
    uint64_t n, n_gone;    // QUERY_REPLAY, QUERY_DISCARD
};

// Append a frame's content.
void query_pack(struct buf *frame, const struct query *ask);
void reply_pack(struct buf *frame, const struct reply *answer);

// A frame that says that nobody waits for the answer to question `no`.
void forget_pack(struct buf *frame, uint64_t no);

// ERR_CORRUPT: not such a frame.
MUST_CHECK enum err query_unpack(struct str frame, struct query *out);
MUST_CHECK enum err reply_unpack(struct str frame, struct reply *out);

#endif
