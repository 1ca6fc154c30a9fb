// SPDX-License-Identifier: MIT
// ingest_request.h — what the head of a request must say that posts events.
//
// Each function answers the request and returns false if it does not.

#ifndef ENGINE_INGEST_INGEST_REQUEST_H
#define ENGINE_INGEST_INGEST_REQUEST_H

#include "common/http/http.h"

// One event (JSON) or many (NDJSON), and no coding of the content.
bool intake_judge_type(struct http_request *r, bool *is_batch);

// An Idempotency-Key, if there is one.
bool intake_judge_key(struct http_request *r);

// POST; OPTIONS is answered, too.
bool intake_judge_method(struct http_request *r);

// Whether it asks for /healthz; then it is answered, without a token.
bool intake_answer_health(struct http_request *r);

#endif
