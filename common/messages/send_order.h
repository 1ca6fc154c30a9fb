// SPDX-License-Identifier: MIT
// send_order.h — orders of a dispatcher to a sender, and the sender's outcomes.
//
// An order is one HTTP attempt to make; the outcome is its result. The sender faces
// hostile bytes, so a dispatcher trusts no frame from it: every length and every
// number is checked, and an outcome counts only if the sender has that attempt in
// flight. A sender that reports anything else loses its link, and its orders are
// sent again.

#ifndef COMMON_MESSAGES_SEND_ORDER_H
#define COMMON_MESSAGES_SEND_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/model/delivery.h"

#define RESPONSE_BODY_MAX_BYTES    ((size_t)64 * 1024)
#define RESPONSE_HEADERS_MAX_BYTES ((size_t)64 * 1024)
#define ERROR_MESSAGE_MAX_BYTES    256
#define STATUS_MIN                 100 // status codes of responses
#define STATUS_MAX                 999

enum order_method { ORDER_POST, ORDER_GET, ORDER_OPTIONS };

struct order {
    uint64_t no; // chosen by the dispatcher, echoed in the outcome
    struct str url;
    struct str headers; // "Name: value" each, each ended by a NUL
    struct str body;
    struct str client_cert;   // PEM, for receivers that want one; empty: none
    struct str client_key;    // PEM, of client_cert
    uint64_t hook_no;         // requests of one hook may share a connection
    enum order_method method; // ORDER_POST alone sends the body
    bool is_alone; // senders died with it: sent while nothing else is
    int64_t connect_timeout_ms;
    int64_t request_timeout_ms;
};

struct outcome {
    uint64_t no;
    int64_t started_at_us;  // UTC epoch
    enum error_class error; // ERROR_NONE: a complete header block came
    struct str error_message;
    uint16_t response_code; // 0: no response
    bool truncated;
    bool is_ours;         // no attempt was made: this machine lacked resources
    struct timing timing; // all but queue_us
    struct str response_headers;
    struct str response_body;
};

// As HTTP names it; a static string.
const char *order_method_name(enum order_method method);

// Append the frame's content.
void order_pack(struct buf *frame, const struct order *order);
void outcome_pack(struct buf *frame, const struct outcome *outcome);

// Read a frame; the strings are borrowed from it. ERR_CORRUPT: the frame is of
// another form, or holds values that no sender writes.
MUST_CHECK enum err order_unpack(struct str frame, struct order *out);
MUST_CHECK enum err outcome_unpack(struct str frame, struct outcome *out);

// Corrects the times of an attempt: it cannot have started before its order was
// handed over, `elapsed_us` ago, and its parts cannot have taken longer than that.
// `now_us`: UTC epoch. If the clock was set meanwhile, the times are those of the
// new one.
void outcome_fit_into(struct outcome *outcome, int64_t now_us,
                      int64_t elapsed_us);

#endif
