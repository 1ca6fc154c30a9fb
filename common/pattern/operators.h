// SPDX-License-Identifier: MIT
// operators.h — what a field's list in a pattern says: plain values and operators.

#ifndef COMMON_PATTERN_OPERATORS_H
#define COMMON_PATTERN_OPERATORS_H

#include "common/encoding/json.h"
#include "common/pattern/build.h"

// Reads the list of the field that is read into tests. ERR_INVALID: `why` says it.
MUST_CHECK enum err operators_read(struct build *b,
                                   const struct json_value *list);

#endif
