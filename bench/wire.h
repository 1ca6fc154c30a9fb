// SPDX-License-Identifier: MIT
// wire.h — the small part of HTTP/1.1 that the receiver and the generator share.
//
// The peers are programs of this folder, or under test on the same machine: this code
// reads what a correct peer sends, and is not a parser for hostile bytes.

#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/histogram.h"
#include "common/base/str.h"
#include "common/encoding/json_writer.h"

// A request's or a response's head.
struct wire_head {
    size_t head_bytes;   // with the empty line
    uint64_t body_bytes; // Content-Length, 0 if absent
    bool is_chunked;
    bool is_closing;      // Connection: close
    struct str signature; // Pulumi-Webhook-Signature; empty if absent
};

// False: the head is not complete yet.
bool wire_head_read(struct str bytes, struct wire_head *out);

// Decodes a chunked body in place. False: it is not complete yet, and nothing is
// changed. `n_raw` is its length as sent, `n_body` without the framing.
bool wire_dechunk(char *at, size_t n_bytes, size_t *n_raw, size_t *n_body);

// The stamp in a body: the time at which it was due to be sent (clock_mono_us()) and
// its number, written as "bench":"<20 digits>-<12 digits>".
#define WIRE_STAMP_KEY   "\"bench\":\""
#define WIRE_STAMP_BYTES 33 // 20 digits, hyphen, 12 digits

struct wire_stamp {
    int64_t sent_us;
    uint64_t seq;
};

void wire_stamp_write(char *to, const struct wire_stamp *stamp);

// Searches the first 256 bytes for a stamp. False: there is none.
bool wire_stamp_read(struct str body, struct wire_stamp *out);

// Lets the kernel send SIGTERM to this process when its parent ends, so that nothing
// keeps running after an interrupted benchmark.
void wire_die_with_parent(void);

// Puts the figures of a histogram as a member, an object.
void wire_put_histogram(const struct histogram *h, const char *key,
                        struct json_writer *w);

#endif
