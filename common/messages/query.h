// SPDX-License-Identifier: MIT
// query.h — queries of the api process to the dispatcher that owns a hook.
//
// Each query gets a reply, later, on the same channel. The database holds the
// results: the reply only says where the attempt lies that was made.

#ifndef COMMON_MESSAGES_QUERY_H
#define COMMON_MESSAGES_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"

enum query_what {
    QUERY_PING = 1,      // send a ping now
    QUERY_REDELIVER = 2, // send this event to the hook once more, now
    // Its state: `text` of the reply is a JSON object. With hook number 0: of the
    // hooks of `org` in `text` (their numbers, 8 bytes each); `text` of the reply has
    // a line for each, in the same order: the state, a blank and that object, or
    // STATUS_UNKNOWN for a hook that was deleted or is set aside.
    QUERY_STATUS = 3,
    // Start a replay: `text` is a replay's record (common/model/replay.h) without
    // its numbers. With hook number 0: of all hooks of `org`. The reply comes when
    // the deliveries are counted: `n`, and `n_gone` whose payload retention has
    // removed. If `n` is 0, or the query `is_dry`, there is no replay.
    QUERY_REPLAY = 4,
    QUERY_CANCEL_REPLAY = 5, // cancel replay `event_id`, of one hook or of all
    // Whether the hooks in `text` (their numbers, 8 bytes each) want an event of
    // `org`: the one with `event_id`, or if that is 0, the one in `event` (JSON, as
    // posted). `text` of the reply: the elements of a JSON array; unless the query
    // `is_dry`, with requests of up to `max` bytes.
    QUERY_EXPLAIN = 6,
    // Settle dead letters as cancelled: `text` is a replay's record, of which
    // filter and ids count. With hook number 0: of all hooks of `org`, or, with
    // `project`, of that project's only, deleted ones too. `by` describes in words
    // who asks. The reply comes when the change is committed: `n` dead letters
    // match; `n_gone` of these are just being sent and stay; if the query `is_dry`,
    // all stay. If `text` of the reply is not empty, more are left: the next query
    // continues there with it as `after`. ERR_FULL: no room on the disk. ERR_BUSY:
    // too many such queries at once.
    QUERY_DISCARD = 7,
    // Whether a hook that does not exist, or not in this form, would get events of
    // `org`: `event` is the hook (draft.h), `text` the events' positions (8 bytes
    // each), DRAFT_EVENTS_MAX at most. `text` of the reply: the elements of a JSON
    // array, one for each position: null, or an object that says why it would not get
    // the event: `why` in words, `whyCode` (as match_put_reason has it) if there is one.
    QUERY_DRAFT = 8
};

#define STATUS_UNKNOWN "unknown"

#define DRAFT_EVENTS_MAX 50

#define DISCARD_AFTER_BYTES 16 // of a hook's number and a position

struct query {
    uint64_t no; // chosen by api, echoed in the reply
    enum query_what what;
    uint64_t hook_id;
    struct id event_id; // QUERY_REDELIVER
    unsigned dialect;   // enum dialect, with `org`
    bool is_dry;
    bool is_admin; // QUERY_REPLAY: asked with the admin token
    struct str org, project, text, event;
    struct str by, after; // QUERY_DISCARD
    uint64_t
        max; // QUERY_DISCARD: dead letters; 0: no limit. QUERY_EXPLAIN: bytes
};

// How many bytes of requests a reply to QUERY_EXPLAIN may have: enough for the
// largest event in quotes, which is twice as long then.
// as long then, fits.
#define EXPLAIN_REQUESTS_MAX_BYTES ((size_t)12 << 20)

struct reply {
    uint64_t no;
    // OK: the attempt was made, whether or not it succeeded, and its row is
    // committed. ERR_NOTFOUND: no such hook, or no such event for it. ERR_GONE:
    // retention removed the payload. ERR_AGAIN: no sender is available, the engine
    // stops, or the delivery is just being settled. ERR_BUSY: too many at once;
    // `text` may say which limit is reached. ERR_FULL: no room to store the result.
    // ERR_DENIED: the hook awaits its receiver's permission (handshake).
    // ERR_CRASHED: the dispatcher died three times with this query.
    enum err err;
    uint8_t position[8]; // of the event, as in struct position
    struct id event_id;
    int64_t started_at_us; // UTC epoch
    struct str text; // QUERY_STATUS, QUERY_EXPLAIN, QUERY_DISCARD, QUERY_DRAFT
    uint64_t n, n_gone; // QUERY_REPLAY, QUERY_DISCARD
};

// Append a frame's content.
void query_pack(struct buf *frame, const struct query *query);
void reply_pack(struct buf *frame, const struct reply *reply);

// Appends a frame that says that nobody waits for the reply to query `no` any more.
void forget_pack(struct buf *frame, uint64_t no);

// ERR_CORRUPT: the frame is of another form.
MUST_CHECK enum err query_unpack(struct str frame, struct query *out);
MUST_CHECK enum err reply_unpack(struct str frame, struct reply *out);

#endif
