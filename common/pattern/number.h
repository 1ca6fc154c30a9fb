// SPDX-License-Identifier: MIT
// number.h — numbers of JSON that are compared by their value.

#ifndef COMMON_PATTERN_NUMBER_H
#define COMMON_PATTERN_NUMBER_H

#include <stdbool.h>

#include "common/base/str.h"

// Whether a double holds the number: whether the shortest digits of the nearest double
// are the number's own. True for every number of at most 15 digits; false for a number
// that would be rounded (12345678901234567890), or is too large or too small. The text
// is a number of JSON. -0 is 0.
bool number_of(struct str text, double *out);

#endif
