// SPDX-License-Identifier: MIT
// text.c — small checks of text that several modules need.

#include "common/base/text.h"

#include <stdint.h>

#include "common/base/utf8.h"

bool text_is_name(struct str s)
{
    if (s.n_bytes == 0 || s.n_bytes > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < s.n_bytes; i++) {
        char c = s.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

// Unsafe characters of two and three bytes, by code point.
static bool is_unsafe_point(uint32_t c)
{
    return (c >= 0x80 && c < 0xa0) || c == 0x61c || c == 0x200e ||
           c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

size_t text_is_unsafe(const char *at, size_t n_bytes)
{
    const unsigned char *c = (const unsigned char *)at;
    size_t n;

    if (c[0] < 0x80)
        return c[0] < 0x20 || c[0] == 0x7f;
    n = utf8_len(at, n_bytes);
    if (n == 0)
        return 1;
    if (n == 2 && is_unsafe_point((c[0] & 0x1fU) << 6 | (c[1] & 0x3fU)))
        return n;
    if (n == 3 && is_unsafe_point((c[0] & 0x0fU) << 12 | (c[1] & 0x3fU) << 6 |
                                  (c[2] & 0x3fU)))
        return n;
    return 0;
}

int text_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
