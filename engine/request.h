// request.h — the HTTP request of an attempt: its headers.

#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include <stdint.h>

#include "common/buf.h"
#include "common/str.h"
#include "queue/queue.h"

// Appends the request headers that are recorded in the history, sorted by
// name as Pulumi Cloud records them, each as "Name: value" ended by a NUL.
// Pure: `at_ms` is the time of the attempt (UTC epoch). User-Agent, Host and
// Content-Length are the sender's.
void request_headers(const struct hook *hook, const struct event *event,
                     struct str body, int64_t at_ms, struct buf *out);

// The same headers as text, "Name: value\r\n" each.
void request_headers_text(struct str headers, struct buf *out);

#endif
