// SPDX-License-Identifier: MIT
// named.h — lists of named stacks and environments, in pages.

#ifndef API_SYSTEM_NAMED_H
#define API_SYSTEM_NAMED_H

#include "api/core/api_request.h"

// How a list is shown: {"NAME":[…],"TOKEN":"…"}.
struct named_style {
    bool is_env;
    const char *name; // name of the member with the rows
    const char
        *token; // name of the member that says where the next page begins
    // Puts a row, an object.
    void (*put)(const struct stack_name *name, struct json_writer *w);
};

// Answers with a page of the stacks or environments of an organization; if `org` is
// empty, of all organizations that the request's token may see. `project` limits the
// list to one project; empty: all projects.
void named_answer(struct api_request *rq, const struct named_style *style,
                  struct str org, struct str project);

// Answers in the same style, without rows.
void named_answer_none(struct api_request *rq, const struct named_style *style);

#endif
