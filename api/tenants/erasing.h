// SPDX-License-Identifier: MIT
// erasing.h — organizations that are erased: the part of it that is the api process's.

#ifndef API_TENANTS_ERASING_H
#define API_TENANTS_ERASING_H

#include "api/core/api_request.h"

// The stores are open.
void erasing_init(struct api *api);
// To be called every second: goes on with the erasure whose turn it is.
void erasing_on_second(struct api *api);
// An erasure has begun: goes on at once.
void erasing_go_on(struct api *api);

// Whether requests about the organization of the path may be served. False: it is being
// erased; the request has been answered with 409.
bool erasing_admits(struct api_request *rq);

// Sets what an erasure that is under way has removed so far where others work on it.
void erasing_count(const struct api *api, struct erasure *e);

#endif
