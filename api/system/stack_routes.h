// SPDX-License-Identifier: MIT
// stack_routes.h — what stacks and environments have in common.

#ifndef API_SYSTEM_STACK_ROUTES_H
#define API_SYSTEM_STACK_ROUTES_H

#include <stdbool.h>

struct api_request;
struct stack_name;

// A stack or environment that hooks or events name stays. False: it does; answered.
bool stacks_may_forget(struct api_request *rq, const struct stack_name *name);

#endif
