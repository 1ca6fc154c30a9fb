// SPDX-License-Identifier: MIT
// utf8.h — strict UTF-8 (RFC 3629): no overlong forms, no surrogates.

#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// Bytes of the well-formed character at `at`, or 0 if there is none.
size_t utf8_len(const char *at, size_t n_bytes);

// The number of characters in a well-formed text.
size_t utf8_count(const char *at, size_t n_bytes);

bool utf8_is_valid(const char *at, size_t n_bytes);

#endif
