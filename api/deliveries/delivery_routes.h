// SPDX-License-Identifier: MIT
// delivery_routes.h — the record of an attempt, as an answer.

#ifndef API_DELIVERIES_DELIVERY_ROUTES_H
#define API_DELIVERIES_DELIVERY_ROUTES_H

#include <stdint.h>

struct reply;
struct api_request;

// Answers the request with the record of the attempt that `answer` refers to.
void deliveries_show(struct api_request *rq, uint64_t hook_id,
                     const struct reply *reply);

#endif
