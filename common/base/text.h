// SPDX-License-Identifier: MIT
// text.h — small judgements about text that several places make.

#ifndef COMMON_BASE_TEXT_H
#define COMMON_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/str.h"

#define NAME_MAX_BYTES 100

// The name of an organization, project, stack or environment: 1 to
// NAME_MAX_BYTES of A-Z a-z 0-9 . _ - (what Pulumi Cloud allows).
bool text_is_name(struct str s);

// Bytes of the character at `at` (n_bytes > 0) if it must not reach a terminal or a
// message as it is: a control character of C0 or C1, one that sets the direction of what
// follows (U+061C, U+200E and F, U+202A to E, U+2066 to 9) or ends a line (U+2028 and 9),
// or a byte that is no UTF-8. Else 0.
size_t text_is_unsafe(const char *at, size_t n_bytes);

// 0 to 15, or -1 if `c` is no hexadecimal digit.
int text_hex_value(char c);

#endif
