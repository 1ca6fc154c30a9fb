// SPDX-License-Identifier: MIT
// named.h — lists of what was named: stacks and environments, in pages.

#ifndef API_SYSTEM_NAMED_H
#define API_SYSTEM_NAMED_H

#include "api/core/api_request.h"

// How a list is shown: {"NAME":[…],"TOKEN":"…"}.
struct named_style {
    bool is_env;
    const char *name;  // of the member with the rows
    const char *token; // of the one that says where the next page begins
    void (*put)(const struct stack_name *name, struct buf *out);
};

// Answers with a page of those of an organization; of all that the request's token may see
// if `org` is empty. `project`: of one project only; empty: of all.
void named_answer(struct api_request *rq, const struct named_style *style,
                  struct str org, struct str project);

// An answer of that style without rows.
void named_answer_none(struct api_request *rq, const struct named_style *style);

#endif
