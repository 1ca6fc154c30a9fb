// SPDX-License-Identifier: MIT
// delivery.h — deliveries, and the attempts of their history.

#ifndef COMMON_MODEL_DELIVERY_H
#define COMMON_MODEL_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/encoding/id.h"
#include "common/model/event.h"

// A delivery that waits for its (next) attempt. The key is hook, due time,
// position: one seek finds a hook's first row, however many rows other hooks have.
struct due_row {
    uint64_t hook_id;
    int64_t due_at_ms; // UTC epoch
    struct position position;
    uint32_t n_attempts; // made so far
    uint32_t n_crashes;  // how many senders died with it
    int64_t queue_us;    // acceptance to the first attempt, once made
    // Ordered hooks only; their rows all have the due time 0, so that they lie in
    // the order of the log:
    int64_t not_before_ms; // earliest time of the next attempt; 0: at once
    uint64_t ordering_key; // deliveries with the same key are sent in order
    // Deliveries that a replay sent once more and that failed:
    uint64_t replay;   // replay_tag() of the replay; 0: none
    uint32_t n_before; // attempts before the replay; they are no retries of it
    uint32_t payload_bytes; // its event's; 0 also in records of older versions
};

// A dead letter.
struct dead_row {
    uint64_t hook_id;
    struct position position;
    int64_t dead_at_ms;
    uint32_t n_attempts;
    int64_t queue_us; // acceptance to the first attempt
};

// The state of a delivery after an attempt. Values are on disk.
enum delivery_state {
    DELIVERY_DELIVERED = 1,
    DELIVERY_RETRYING = 2,
    DELIVERY_DEAD = 3,
    DELIVERY_CANCELLED = 4
};

// Why an attempt failed. Values are on disk; 0 is none.
enum error_class {
    ERROR_NONE = 0,
    ERROR_DNS = 1,
    ERROR_CONNECT = 2,
    ERROR_TLS = 3,
    ERROR_TIMEOUT = 4,
    ERROR_RESET = 5,
    ERROR_PROTOCOL = 6,
    ERROR_STATUS = 7,
    ERROR_BLOCKED = 8,
    ERROR_GONE = 9
};

#define ERROR_CLASSES 10

const char *error_name(enum error_class class); // "dns"; ERROR_NONE: "none"

struct timing {       // microseconds
    int64_t queue_us; // acceptance to the start of the first attempt
    int64_t dns_us;   // the others from the start of the attempt
    int64_t connect_us;
    int64_t tls_us; // 0 without TLS
    int64_t first_byte_us;
    int64_t total_us;
    bool reused_connection;
};

// One row of the history: one HTTP request, or the end of a delivery without a
// request (attempt_is_end). In the latter case there is no URL, no response and no
// duration, and `attempt` says how many requests were made before, which may be
// none.
struct attempt {
    uint64_t hook_id;
    uint64_t org_id;          // of the hook's organization
    struct position position; // of the event, where the payload is
    struct id event_id;
    struct str kind;
    int64_t accepted_at_us;
    int64_t started_at_us;
    uint32_t attempt; // from 1
    enum delivery_state state;
    int64_t next_attempt_at_ms; // UTC epoch; 0: none
    int64_t due_at_ms;          // due_at_ms of its due row
    enum error_class error;
    struct str error_message; // empty: none
    uint16_t response_code;   // 0: no response
    bool truncated;           // the response body is incomplete
    struct timing timing;
    struct str request_url;
    struct str request_headers;  // "Name: value\r\n" each, sorted by name
    struct str response_headers; // "Name: value\r\n" each, as received
    struct str response_body;    // at most 64 KiB
    struct str payload;          // the body sent, where it is not the event's
                                 // own payload; else empty
    // On disk, of a sealed event: headers, body and payload as one sealed text; the four
    // are empty then. Readers of the history get them open.
    struct str sealed;
    bool
        is_locked; // in memory alone: they are sealed, and the key is not there
};

// Whether the row has no request: the delivery was cancelled, and error_message is
// the reason in words.
static inline bool attempt_is_end(const struct attempt *a)
{
    return a->state == DELIVERY_CANCELLED && a->error == ERROR_NONE;
}

#endif
