// SPDX-License-Identifier: MIT
// request_headers.h — the HTTP request of an attempt: its headers.

#ifndef ENGINE_DELIVERY_REQUEST_HEADERS_H
#define ENGINE_DELIVERY_REQUEST_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "queue/queue.h"

struct signers;

// Which attempt the request is of.
struct request_of {
    int64_t at_ms;           // UTC epoch
    int64_t n;               // of the delivery, counted from 1
    unsigned sample_percent; // as trace_of_event() has it
    bool has_span;           // the attempt has one, if its trace is sampled
    struct signers *signers; // sign as v1a; NULL: nothing is signed so
    struct str origin;       // for hooks with handshake: WebHook-Request-Origin
};

// Appends the request headers that are recorded in the history, sorted by
// name as Pulumi Cloud records them, each as "Name: value" ended by a NUL.
// A hook may want the names in lower case, for gateways that look for them as HTTP/2
// spells them, or the trace context. Pure. User-Agent, Host and Content-Length are the
// sender's.
void request_headers(const struct hook *hook, const struct event *event,
                     struct str body, struct request_of of, struct buf *out);

// What must be known of a request's headers until they are in the history.
struct request_marks {
    uint64_t
        secret; // bit i: the value of header i is masked wherever it is shown
    bool has_custom; // some headers are the hook's own
};

// The marks of headers that request_headers() made for the same hook.
struct request_marks request_marks(const struct hook *hook, struct str headers);

// Appends the value of a header line "Name: value"; masked (request_header.h) if it is
// secret.
void request_header_value(struct str line, bool is_secret_one, struct buf *out);

// Appends the headers of request_headers() as text, "Name: value\r\n" each, with secret
// values masked.
void request_headers_text(struct str headers, struct request_marks marks,
                          struct buf *out);

#endif
