// SPDX-License-Identifier: MIT
// text.h — small checks of text that several modules need.

#ifndef COMMON_BASE_TEXT_H
#define COMMON_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/str.h"

#define NAME_MAX_BYTES 100

// The name of an organization, project, stack or environment: 1 to
// NAME_MAX_BYTES of A-Z a-z 0-9 . _ - (what Pulumi Cloud allows).
bool text_is_name(struct str s);

// Returns the length of the character at `at` (n_bytes > 0) if it must not reach a
// terminal or a message unchanged, else 0. Such are: control characters of C0 and
// C1; characters that set the direction of the text after them (U+061C, U+200E and
// F, U+202A to E, U+2066 to 9) or end a line (U+2028 and 9); and any byte that is
// not UTF-8.
size_t text_is_unsafe(const char *at, size_t n_bytes);

// 0 to 15, or -1 if `c` is no hexadecimal digit.
int text_hex_value(char c);

#endif
