// SPDX-License-Identifier: MIT
// pattern_json.h — a hook's pattern as JSON: read, checked, printed; for both APIs.
//
// An absent member changes nothing; null takes the pattern away. Pure.

#ifndef API_JSON_PATTERN_JSON_H
#define API_JSON_PATTERN_JSON_H

#include "api/json/json_members.h"
#include "common/base/err.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "queue/queue.h"

// Reads the member into the hook. ERR_INVALID: `validation->why` names what is wrong in
// the pattern, and what is allowed.
MUST_CHECK enum err pattern_merge(const struct validation *validation,
                                  const struct json_value *body,
                                  struct hook *hook);

// Puts the member, if the hook has a pattern, as it was given, without white space.
void pattern_print(const struct hook *hook, struct json_writer *w);

#endif
