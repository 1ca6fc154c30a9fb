// SPDX-License-Identifier: MIT
// utf8.c — strict UTF-8 (RFC 3629, section 4).

#include "common/base/utf8.h"

#include <stdint.h>

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t utf8_len(const char *at, size_t n_bytes)
{
    const unsigned char *s = (const unsigned char *)at;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t n;

    if (n_bytes == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        n = 2;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        n = 3;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        n = 4;
    } else {
        return 0;
    }
    if (n > n_bytes)
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0; // overlong
    if (s[0] == 0xed)
        high = 0x9f; // surrogates
    if (s[0] == 0xf0)
        low = 0x90; // overlong
    if (s[0] == 0xf4)
        high = 0x8f; // past U+10FFFF
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if (!is_tail(s[i]))
            return 0;
    }
    return n;
}

size_t utf8_count(const char *at, size_t n_bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < n_bytes; i++)
        n += ((unsigned char)at[i] & 0xc0) != 0x80;
    return n;
}

bool utf8_is_valid(const char *at, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes;) {
        size_t n = utf8_len(at + i, n_bytes - i);

        if (n == 0)
            return false;
        i += n;
    }
    return true;
}
