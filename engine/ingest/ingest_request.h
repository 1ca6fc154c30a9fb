// SPDX-License-Identifier: MIT
// ingest_request.h — what the head of a request that posts events must have.
//
// The functions ingest_check_*() return whether the head is right; if it is not, they
// answer the request.

#ifndef ENGINE_INGEST_INGEST_REQUEST_H
#define ENGINE_INGEST_INGEST_REQUEST_H

#include "common/http/http.h"
#include "engine/ingest/event_parser.h"

// The content type must be one event (JSON) or many (NDJSON), or those of CloudEvents,
// without a content coding.
bool ingest_check_type(struct http_request *r, enum event_form *form,
                       bool *is_batch);

// The Idempotency-Key must be valid, if there is one. CloudEvents have keys of their own.
bool ingest_check_key(struct http_request *r, enum event_form form);

// Reads the only event of a complete request, as event_parser_read() does. What is in the
// request's headers goes into `parser`.
MUST_CHECK enum err ingest_read_one(const struct http_request *r,
                                    struct event_parser *parser,
                                    struct arena *arena, struct new_event *out,
                                    struct buf *why);

// The status of an answer to a request that event_parser_read() refuses with this error;
// it is counted.
unsigned ingest_refusal(enum err err);

// The method must be POST; OPTIONS is answered, too.
bool ingest_check_method(struct http_request *r);

// Whether the request is for /healthz. If so, it is answered; no token is needed.
bool ingest_answer_health(struct http_request *r);

#endif
