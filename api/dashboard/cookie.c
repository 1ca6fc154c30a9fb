// SPDX-License-Identifier: MIT
// cookie.c — the cookie that holds a session.

#include "api/dashboard/cookie.h"

#include <stdbool.h>
#include <string.h>

#define NAME         "__Host-posthorn"
#define SECRET_BYTES 43 // 256 bits as base64url

static bool is_of_secret(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool is_secret(struct str s)
{
    if (s.n_bytes != SECRET_BYTES)
        return false;
    for (size_t i = 0; i < s.n_bytes; i++) {
        if (!is_of_secret(s.at[i]))
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str cookie_find(struct str header)
{
    static const struct str begin = { NAME "=", sizeof(NAME "=") - 1 };

    while (header.n_bytes > 0) {
        const char *end = memchr(header.at, ';', header.n_bytes);
        struct str pair = header;

        if (end != NULL)
            pair.n_bytes = (size_t)(end - header.at);
        header.at += pair.n_bytes + (end != NULL);
        header.n_bytes -= pair.n_bytes + (end != NULL);
        while (pair.n_bytes > 0 && is_blank(pair.at[0])) {
            pair.at++;
            pair.n_bytes--;
        }
        while (pair.n_bytes > 0 && is_blank(pair.at[pair.n_bytes - 1]))
            pair.n_bytes--;
        if (!str_starts(pair, begin))
            continue;
        pair.at += begin.n_bytes;
        pair.n_bytes -= begin.n_bytes;
        if (is_secret(pair))
            return pair;
    }
    return STR_EMPTY;
}

void cookie_put_line(struct str secret, struct buf *out)
{
    buf_puts(out, "Set-Cookie: " NAME "=");
    buf_put_str(out, secret);
    buf_puts(out, "; Path=/; Secure; HttpOnly; SameSite=Strict");
    if (secret.n_bytes == 0)
        buf_puts(out, "; Max-Age=0");
    buf_puts(out, "\r\n");
}
