// SPDX-License-Identifier: MIT
// attempt_routes.h — a dispatcher's reply as an HTTP answer.

#ifndef API_DELIVERIES_ATTEMPT_ROUTES_H
#define API_DELIVERIES_ATTEMPT_ROUTES_H

#include <stdint.h>

struct reply;
struct api_request;

// Answers with a dispatcher's reply: the record of the attempt, or why there is none.
void on_demand_respond(struct api_request *rq, uint64_t hook_id,
                       const struct reply *reply);

#endif
