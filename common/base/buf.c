// SPDX-License-Identifier: MIT
// buf.c — a growing byte buffer with a cap.

#include "common/base/buf.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/utf8.h"

void buf_init(struct buf *b, size_t cap_bytes)
{
    *b = (struct buf){ .cap_bytes = cap_bytes };
}

void buf_clear(struct buf *b)
{
    free(b->at);
    buf_init(b, b->cap_bytes);
}

void buf_reset(struct buf *b)
{
    b->n_bytes = 0;
    b->overflow = false;
}

char *buf_reserve(struct buf *b, size_t n_bytes)
{
    size_t wanted_bytes = b->n_bytes + n_bytes;
    size_t room_bytes = b->room_bytes > 0 ? b->room_bytes : 64;

    if (b->overflow || wanted_bytes < n_bytes ||
        (b->cap_bytes > 0 && wanted_bytes > b->cap_bytes)) {
        b->overflow = true;
        return NULL;
    }
    if (wanted_bytes > b->room_bytes) {
        while (room_bytes < wanted_bytes)
            room_bytes *= 2;
        b->at = xrealloc(b->at, room_bytes);
        b->room_bytes = room_bytes;
    }
    return b->at != NULL ? b->at + b->n_bytes : NULL;
}

void buf_added(struct buf *b, size_t n_bytes)
{
    assert(b->n_bytes + n_bytes <= b->room_bytes);
    b->n_bytes += n_bytes;
}

void buf_put(struct buf *b, const void *bytes, size_t n_bytes)
{
    char *to;

    if (n_bytes == 0)
        return;
    to = buf_reserve(b, n_bytes);
    if (to == NULL)
        return;
    memcpy(to, bytes, n_bytes);
    b->n_bytes += n_bytes;
}

void buf_put_str(struct buf *b, struct str s)
{
    buf_put(b, s.at, s.n_bytes);
}

void buf_puts(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_put_u64(struct buf *b, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buf_put(b, digits + at, sizeof(digits) - at);
}

void buf_put_i64(struct buf *b, int64_t number)
{
    if (number < 0)
        buf_putc(b, '-');
    buf_put_u64(b, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

void buf_put_plain(struct buf *b, struct str text)
{
    size_t from = 0;

    for (size_t i = 0; i < text.n_bytes;) {
        size_t n_unsafe = text_is_unsafe(text.at + i, text.n_bytes - i);

        if (n_unsafe == 0) {
            i++; // the bytes of a valid character were checked at its first
            while (i < text.n_bytes &&
                   ((unsigned char)text.at[i] & 0xc0) == 0x80)
                i++;
            continue;
        }
        buf_put(b, text.at + from, i - from);
        buf_putc(b, ' ');
        i += n_unsafe;
        from = i;
    }
    if (from < text.n_bytes)
        buf_put(b, text.at + from, text.n_bytes - from);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    int n;
    char *to;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    assert(n >= 0);
    to = buf_reserve(b, (size_t)n + 1); // vsnprintf writes a NUL
    if (to != NULL) {
        vsnprintf(to, (size_t)n + 1, format, again);
        b->n_bytes += (size_t)n;
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, just above
    buf_vprintf(b, format, args);
    va_end(args);
}

static void put_escaped(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

    for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
        if ((unsigned char)shorts[i] == c) {
            text[1] = shorts[i + 1];
            buf_put(b, text, 2);
            return;
        }
    }
    buf_put(b, text, sizeof(text));
}

// Puts the escape of a character of two or three bytes that text_is_unsafe()
// reported.
static void put_unsafe(struct buf *b, const char *at, size_t n_bytes)
{
    const unsigned char *c = (const unsigned char *)at;
    unsigned point = n_bytes == 2 ? (c[0] & 0x1fU) << 6 | (c[1] & 0x3fU)
                                  : (c[0] & 0x0fU) << 12 | (c[1] & 0x3fU) << 6 |
                                        (c[2] & 0x3fU);

    buf_printf(b, "\\u%04x", point);
}

void buf_put_json(struct buf *b, struct str text)
{
    size_t from = 0; // first byte not yet put

    buf_putc(b, '"');
    for (size_t i = 0; i < text.n_bytes;) {
        unsigned char c = (unsigned char)text.at[i];
        size_t n_unsafe = 0;

        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            i++;
            continue;
        }
        if (c >= 0x80) {
            n_unsafe = text_is_unsafe(text.at + i, text.n_bytes - i);
            if (n_unsafe == 0) {
                i += utf8_len(text.at + i, text.n_bytes - i);
                continue;
            }
        }
        buf_put(b, text.at + from, i - from);
        if (c < 0x80) {
            put_escaped(b, c);
        } else if (n_unsafe == 1) {
            buf_puts(b, "\xef\xbf\xbd"); // U+FFFD
        } else {
            put_unsafe(b, text.at + i, n_unsafe);
        }
        i += n_unsafe > 0 ? n_unsafe : 1;
        from = i;
    }
    if (from < text.n_bytes)
        buf_put(b, text.at + from, text.n_bytes - from);
    buf_putc(b, '"');
}

void buf_put_size(struct buf *b, uint64_t n_bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double n = (double)n_bytes;
    size_t unit = 0;

    while (n >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        n /= 1024;
        unit++;
    }
    buf_printf(b, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
}

void buf_cut(struct buf *b, size_t n_bytes)
{
    assert(n_bytes <= b->n_bytes);
    b->n_bytes = n_bytes;
}

void buf_consume(struct buf *b, size_t n_bytes)
{
    assert(n_bytes <= b->n_bytes);
    if (n_bytes > 0 && n_bytes < b->n_bytes)
        memmove(b->at, b->at + n_bytes, b->n_bytes - n_bytes);
    b->n_bytes -= n_bytes;
}

struct str buf_str(const struct buf *b)
{
    return (struct str){ b->at, b->n_bytes };
}

const char *buf_cstr(struct buf *b)
{
    if (b->n_bytes == b->room_bytes) {
        b->room_bytes = b->room_bytes > 0 ? b->room_bytes * 2 : 64;
        b->at = xrealloc(b->at, b->room_bytes);
    }
    b->at[b->n_bytes] = '\0';
    return b->at;
}

char *buf_take(struct buf *b, size_t *n_bytes)
{
    char *at = b->at;

    *n_bytes = b->n_bytes;
    buf_init(b, b->cap_bytes);
    return at;
}

void buf_put_entities(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.n_bytes; i++) {
        switch (text.at[i]) {
        case '&':
            buf_puts(b, "&amp;");
            break;
        case '<':
            buf_puts(b, "&lt;");
            break;
        case '>':
            buf_puts(b, "&gt;");
            break;
        default:
            buf_putc(b, text.at[i]);
        }
    }
}
