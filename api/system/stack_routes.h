// SPDX-License-Identifier: MIT
// stack_routes.h — what stacks and environments have in common.

#ifndef API_SYSTEM_STACK_ROUTES_H
#define API_SYSTEM_STACK_ROUTES_H

#include <stdbool.h>

struct api_request;
struct stack_name;

// Whether a stack or environment may be forgotten: not while hooks or events name it.
// False: it may not; the request has been answered.
bool stacks_may_forget(struct api_request *rq, const struct stack_name *name);

// Answers that hooks name the stack or environment.
void stacks_fail_hooks(struct api_request *rq, const struct stack_name *name);

#endif
