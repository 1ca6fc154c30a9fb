// SPDX-License-Identifier: MIT
// wire.c — the small part of HTTP/1.1 that the receiver and the generator share.

#include "bench/wire.h"

#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

#include "common/base/text.h"

#define STAMP_WITHIN_BYTES 256

// The value if the line has this header's name ("content-length:").
static bool header_is(struct str line, struct str name, struct str *value)
{
    if (line.n_bytes < name.n_bytes ||
        strncasecmp(line.at, name.at, name.n_bytes) != 0)
        return false;
    value->at = line.at + name.n_bytes;
    value->n_bytes = line.n_bytes - name.n_bytes;
    while (value->n_bytes > 0 && value->at[0] == ' ') {
        value->at++;
        value->n_bytes--;
    }
    return true;
}

static uint64_t digits_read(const char *at, size_t n_bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < n_bytes && at[i] >= '0' && at[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(at[i] - '0');
    return number;
}

static void header_read(struct str line, struct wire_head *out)
{
    struct str value = STR_EMPTY;

    // The first letter already distinguishes most lines.
    switch (line.at[0] | 0x20) {
    case 'c':
        if (header_is(line, STR("content-length:"), &value)) {
            out->body_bytes = digits_read(value.at, value.n_bytes);
        } else if (header_is(line, STR("connection:"), &value)) {
            out->is_closing = strncasecmp(value.at, "close", 5) == 0;
        }
        break;
    case 't':
        if (header_is(line, STR("transfer-encoding:"), &value))
            out->is_chunked = strncasecmp(value.at, "chunked", 7) == 0;
        break;
    case 'p':
        if (header_is(line, STR("pulumi-webhook-signature:"), &value))
            out->signature = value;
        break;
    default: // a header that is not used here
        break;
    }
}

bool wire_head_read(struct str bytes, struct wire_head *out)
{
    const char *end;
    const char *line;

    if (bytes.n_bytes < 4)
        return false;
    end = memmem(bytes.at, bytes.n_bytes, "\r\n\r\n", 4);
    if (end == NULL)
        return false;

    *out = (struct wire_head){ .head_bytes = (size_t)(end - bytes.at) + 4 };
    line = memchr(bytes.at, '\n', out->head_bytes);
    while (line != NULL && line < end) {
        const char *next = memchr(line + 1, '\n', (size_t)(end + 2 - line) - 1);

        // The line ends with CR LF; the last one's is that of `end`.
        if (next == NULL)
            break;
        header_read((struct str){ line + 1, (size_t)(next - line) - 2 }, out);
        line = next;
    }
    return true;
}

// Reads the size line of a chunk. False: it is not complete.
static bool chunk_read(struct str bytes, size_t *n_line, size_t *n_chunk)
{
    const char *end = memchr(bytes.at, '\n', bytes.n_bytes);
    int digit;

    if (end == NULL)
        return false;
    *n_line = (size_t)(end - bytes.at) + 1;
    *n_chunk = 0;
    for (size_t i = 0;
         i < *n_line && (digit = text_hex_value(bytes.at[i])) >= 0; i++)
        *n_chunk = *n_chunk * 16 + (size_t)digit;
    return true;
}

// Walks the chunks; moves the content to the front if `moving`.
static bool chunks_walk(char *at, size_t n_bytes, bool moving, size_t *n_raw,
                        size_t *n_body)
{
    size_t pos = 0;
    size_t n_out = 0;
    size_t n_line;
    size_t n_chunk;

    while (pos < n_bytes && chunk_read((struct str){ at + pos, n_bytes - pos },
                                       &n_line, &n_chunk)) {
        pos += n_line;
        if (n_chunk > n_bytes - pos || n_bytes - pos - n_chunk < 2)
            return false;
        if (moving)
            memmove(at + n_out, at + pos, n_chunk);
        n_out += n_chunk;
        pos += n_chunk + 2;
        if (n_chunk == 0) {
            *n_raw = pos;
            *n_body = n_out;
            return true;
        }
    }
    return false;
}

bool wire_dechunk(char *at, size_t n_bytes, size_t *n_raw, size_t *n_body)
{
    return chunks_walk(at, n_bytes, false, n_raw, n_body) &&
           chunks_walk(at, n_bytes, true, n_raw, n_body);
}

static void digits_write(char *to, size_t n_digits, uint64_t number)
{
    for (size_t i = n_digits; i > 0; i--) {
        to[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
}

void wire_stamp_write(char *to, const struct wire_stamp *stamp)
{
    digits_write(to, 20, (uint64_t)stamp->sent_us);
    to[20] = '-';
    digits_write(to + 21, 12, stamp->seq);
}

bool wire_stamp_read(struct str body, struct wire_stamp *out)
{
    size_t within =
        body.n_bytes < STAMP_WITHIN_BYTES ? body.n_bytes : STAMP_WITHIN_BYTES;
    const struct str key = STR(WIRE_STAMP_KEY);
    const char *at;

    if (within < key.n_bytes + WIRE_STAMP_BYTES)
        return false;
    at = memmem(body.at, within - WIRE_STAMP_BYTES, key.at, key.n_bytes);
    if (at == NULL)
        return false;
    at += key.n_bytes;
    out->sent_us = (int64_t)digits_read(at, 20);
    out->seq = digits_read(at + 21, 12);
    return true;
}

void wire_die_with_parent(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
}

void wire_put_histogram(const struct histogram *h, const char *key,
                        struct json_writer *w)
{
    json_open_object(w, key);
    json_put_u64(w, "n", h->n);
    json_put_i64(w, "mean", h->n > 0 ? h->sum_us / (int64_t)h->n : 0);
    json_put_i64(w, "min", h->min_us);
    json_put_i64(w, "p50", histogram_percentile(h, 50.0));
    json_put_i64(w, "p90", histogram_percentile(h, 90.0));
    json_put_i64(w, "p99", histogram_percentile(h, 99.0));
    json_put_i64(w, "p999", histogram_percentile(h, 99.9));
    json_put_i64(w, "max", h->max_us);
    json_close(w);
}
