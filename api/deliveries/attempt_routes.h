// SPDX-License-Identifier: MIT
// attempt_routes.h — what a dispatcher said, as an answer.

#ifndef API_DELIVERIES_ATTEMPT_ROUTES_H
#define API_DELIVERIES_ATTEMPT_ROUTES_H

#include <stdint.h>

struct reply;
struct api_request;

// Answers with what a dispatcher said: the record, or why there is none.
void manual_answered(struct api_request *rq, uint64_t hook_id,
                     const struct reply *answer);

#endif
