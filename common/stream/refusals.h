// SPDX-License-Identifier: MIT
// refusals.h — connections that get 503, or an alert of TLS, and are closed.
//
// For a process that holds a listening socket and cannot serve its clients now.
//
// A client is answered once its first bytes have come: an answer before the request
// confuses clients. What else it sends is read and thrown away, so that closing the
// socket does not reset it before the answer is read. The bytes are not looked at, so a
// client of TLS gets no handshake, which would interpret what strangers send. A
// connection is closed when its client closes it, or after five seconds.

#ifndef COMMON_STREAM_REFUSALS_H
#define COMMON_STREAM_REFUSALS_H

#include <stdbool.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/str.h"

struct refusals; // a set of such connections, never freed

struct refusals_owner {
    // Appends an answer, which refusal_put() makes; `why` is what refusals_add() got.
    void (*put_answer)(void *data, const char *why, struct buf *out);
    void (*on_left)(void *data); // a connection was closed
    void *data;
};

struct refusals *refusals_new(uv_loop_t *loop,
                              const struct refusals_owner *owner);

// Whether the set holds as many connections as it may.
bool refusals_are_full(const struct refusals *r);
bool refusals_are_none(const struct refusals *r);

// Takes `fd`, an accepted connection that does not block; of a set that is full, it is
// closed at once. `speaks_tls`: the client gets an alert. `why` is static, or NULL.
void refusals_add(struct refusals *r, int fd, bool speaks_tls, const char *why);

// Closes those that have had their time. To be called about once a second.
void refusals_tick(struct refusals *r);

// Appends a whole answer of HTTP/1.1: 503, which says that the process or node `name`
// does not work, and `why`, in words such as "has been stopped for 7 s".
void refusal_put(struct buf *out, const char *name, struct str why,
                 unsigned retry_after_s);

#endif
