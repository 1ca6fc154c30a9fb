// SPDX-License-Identifier: MIT
// test.h — whether an operator holds for a value.

#ifndef COMMON_PATTERN_TEST_H
#define COMMON_PATTERN_TEST_H

#include <stdbool.h>

#include "common/pattern/compiled.h"
#include "common/pattern/facts.h"

// Whether any test of the field holds for the value, in which its address is noted.
bool field_holds(const struct pattern *p, const struct field *f,
                 struct value *value);

// The order of keys in OP_VALUES.
int key_compare(struct operand a, struct str a_text, struct operand b,
                struct str b_text);

#endif
