// SPDX-License-Identifier: MIT
// buf.h — a growing byte buffer with a cap.
//
// Data whose size comes from outside goes through a buf, so that its cap is
// enforced. A put that would exceed the cap writes nothing and sets `overflow`;
// every later put is ignored too. So callers check `overflow` once, at the end.

#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

struct buf {
    char *at;       // owned; NUL-terminated only after buf_cstr()
    size_t n_bytes; // used
    size_t room_bytes;
    size_t cap_bytes; // 0: no cap
    bool overflow;    // a put was refused
};

// An empty buffer; allocates nothing until the first put.
void buf_init(struct buf *b, size_t cap_bytes);

// Frees the memory; the buffer is then as after buf_init().
void buf_clear(struct buf *b);

// Forgets the content and the overflow, keeps the memory.
void buf_reset(struct buf *b);

void buf_put(struct buf *b, const void *bytes, size_t n_bytes);
void buf_put_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_put_u64(struct buf *b, uint64_t number); // decimal
void buf_put_i64(struct buf *b, int64_t number);  // decimal
// Every byte sequence that text_is_unsafe() reports becomes a blank.
void buf_put_plain(struct buf *b, struct str text);
// & < and > become entities of HTML.
void buf_put_entities(struct buf *b, struct str text);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b,
                                                      const char *format, ...);
__attribute__((format(printf, 2, 0))) void
buf_vprintf(struct buf *b, const char *format, va_list args);

void buf_put_size(struct buf *b, uint64_t n_bytes); // "1.2 MiB"

// Appends `text` as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD, so
// the result is always valid JSON (RFC 8259). Characters that text_is_unsafe()
// reports are escaped, so the JSON may be shown on a terminal.
void buf_put_json(struct buf *b, struct str text);

// Reserves `n_bytes` more and returns where to write them, or NULL if they exceed
// the cap. The caller then adds what it wrote with buf_added().
char *buf_reserve(struct buf *b, size_t n_bytes);
void buf_added(struct buf *b, size_t n_bytes);

// Keeps the first `n_bytes` and drops what follows.
void buf_cut(struct buf *b, size_t n_bytes);

// Drops the first `n_bytes`.
void buf_consume(struct buf *b, size_t n_bytes);

// The content, borrowed until the next put.
struct str buf_str(const struct buf *b);

// The content with a NUL after it, borrowed until the next put.
const char *buf_cstr(struct buf *b);

// Hands the content over; the caller frees it. The buffer is then empty.
char *buf_take(struct buf *b, size_t *n_bytes);

#endif
