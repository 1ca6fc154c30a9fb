// SPDX-License-Identifier: MIT
// http1_response.c — reads one response of HTTP/1.1 from bytes in any pieces.

#include "engine/sender/http1_response.h"

#include <string.h>
#include <strings.h>

#define LINE_KEPT_BYTES  4096 // of memory, from one response to the next
#define STATUS_DIGITS    3
#define STATUS_LEAST     100
#define LENGTH_DIGITS    18
#define SIZE_DIGITS      15 // hexadecimal
#define STATUS_NO_BODY   204
#define STATUS_UNCHANGED 304

void http1_response_init(struct http1_response *r)
{
    *r = (struct http1_response){ .part = HTTP1_START };
    buf_init(&r->line, HTTP1_LINE_MAX_BYTES);
    http1_response_reset(r);
}

void http1_response_reset(struct http1_response *r)
{
    if (r->line.room_bytes > LINE_KEPT_BYTES) {
        buf_clear(&r->line);
    } else {
        buf_reset(&r->line);
    }
    r->part = HTTP1_START;
    r->status = 0;
    r->left_bytes = 0;
    r->n_promised_bytes = -1;
    r->n_body_bytes = 0;
    r->has_byte = false;
    r->is_chunked = false;
    r->is_kept = false;
    r->has_version = false;
}

void http1_response_clear(struct http1_response *r)
{
    buf_clear(&r->line);
}

// --- lines ---

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct str without_end(struct str line)
{
    while (line.n_bytes > 0 && (line.at[line.n_bytes - 1] == '\n' ||
                                line.at[line.n_bytes - 1] == '\r'))
        line.n_bytes--;
    return line;
}

static bool is_word(struct str text, const char *word)
{
    return text.n_bytes == strlen(word) &&
           strncasecmp(text.at, word, text.n_bytes) == 0;
}

// "HTTP/1.x NNN", and after the number nothing or a blank.
static bool read_status(struct http1_response *r, struct str line)
{
    const char *at = line.at;

    if (line.n_bytes < 12 || strncasecmp(at, "HTTP/1.", 7) != 0 ||
        (at[7] != '0' && at[7] != '1') || at[8] != ' ')
        return false;
    for (size_t i = 0; i < STATUS_DIGITS; i++) {
        if (!is_digit(at[9 + i]))
            return false;
    }
    if (line.n_bytes > 12 && !is_blank(at[12]))
        return false;
    r->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    r->has_version = at[7] == '1';
    r->is_kept = r->has_version;
    r->n_promised_bytes = -1;
    r->is_chunked = false;
    r->part = HTTP1_HEADERS;
    return r->status >= STATUS_LEAST;
}

static bool read_length(struct http1_response *r, struct str value)
{
    int64_t n = 0;

    if (value.n_bytes == 0 || value.n_bytes > LENGTH_DIGITS)
        return false;
    for (size_t i = 0; i < value.n_bytes; i++) {
        if (!is_digit(value.at[i]))
            return false;
        n = n * 10 + (value.at[i] - '0');
    }
    r->n_promised_bytes = n;
    return true;
}

// A list of words, separated by commas.
static void read_connection(struct http1_response *r, struct str value)
{
    while (value.n_bytes > 0) {
        const char *comma = memchr(value.at, ',', value.n_bytes);
        size_t n = comma != NULL ? (size_t)(comma - value.at) : value.n_bytes;
        struct str word = str_trim((struct str){ value.at, n }, STR_BLANKS);

        if (is_word(word, "close")) {
            r->is_kept = false;
        } else if (is_word(word, "keep-alive") && !r->has_version) {
            r->is_kept = true;
        }
        n += comma != NULL;
        value.at += n;
        value.n_bytes -= n;
    }
}

static bool read_header(struct http1_response *r, struct str line)
{
    const char *colon = memchr(line.at, ':', line.n_bytes);
    struct str name, value;

    if (memchr(line.at, '\0', line.n_bytes) != NULL)
        return false;
    if (is_blank(line.at[0]))
        return true; // goes on with the header before
    if (colon == NULL)
        return false;
    name = (struct str){ line.at, (size_t)(colon - line.at) };
    value = str_trim((struct str){ colon + 1, line.n_bytes - name.n_bytes - 1 },
                     STR_BLANKS);
    if (is_word(name, "content-length"))
        return read_length(r, value);
    if (is_word(name, "transfer-encoding")) {
        r->is_chunked = true;
        return is_word(value, "chunked");
    }
    if (is_word(name, "connection"))
        read_connection(r, value);
    return true;
}

// RFC 9112, 6.3.
static void begin_body(struct http1_response *r)
{
    if (r->status < 200) {
        r->part = HTTP1_START; // an interim response; another one follows
    } else if (r->status == STATUS_NO_BODY || r->status == STATUS_UNCHANGED) {
        r->part = HTTP1_OVER;
    } else if (r->is_chunked) {
        r->part = HTTP1_SIZE;
    } else if (r->n_promised_bytes >= 0) {
        r->left_bytes = r->n_promised_bytes;
        r->part = r->left_bytes > 0 ? HTTP1_BODY : HTTP1_OVER;
    } else {
        r->is_kept = false;
        r->part = HTTP1_TO_END;
    }
}

// A size, and extensions, which are ignored.
static bool read_size(struct http1_response *r, struct str line)
{
    int64_t n = 0;
    size_t i = 0;

    for (; i < line.n_bytes && line.at[i] != ';' && !is_blank(line.at[i]);
         i++) {
        char c = line.at[i];
        bool is_letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

        if (i >= SIZE_DIGITS || (!is_digit(c) && !is_letter))
            return false;
        n = n * 16 + (is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (i == 0)
        return false;
    r->left_bytes = n;
    r->part = n > 0 ? HTTP1_CHUNK : HTTP1_TRAILER;
    return true;
}

static enum http1_verdict on_line(struct http1_response *r,
                                  const struct http1_handlers *handlers,
                                  void *data, struct str line)
{
    struct str text = without_end(line);
    bool is_valid = true;

    switch (r->part) {
    case HTTP1_SIZE:
        return read_size(r, text) ? HTTP1_MORE : HTTP1_FAULT;
    case HTTP1_BREAK:
        r->part = HTTP1_SIZE;
        return text.n_bytes == 0 ? HTTP1_MORE : HTTP1_FAULT;
    case HTTP1_TRAILER:
        if (text.n_bytes == 0) {
            r->part = HTTP1_OVER;
            return HTTP1_MORE;
        }
        break;
    case HTTP1_START:
        is_valid = read_status(r, text);
        break;
    default: // HTTP1_HEADERS
        if (text.n_bytes == 0) {
            begin_body(r);
        } else {
            is_valid = read_header(r, text);
        }
        break;
    }
    if (!is_valid)
        return HTTP1_FAULT;
    return handlers->on_line(data, line) ? HTTP1_MORE : HTTP1_STOPPED;
}

// Takes the line from `bytes`, if its end has come. A line that came in pieces is put
// together in `line`.
static enum http1_verdict read_line(struct http1_response *r,
                                    const struct http1_handlers *handlers,
                                    void *data, struct str *bytes)
{
    const char *end = memchr(bytes->at, '\n', bytes->n_bytes);
    size_t n = end != NULL ? (size_t)(end - bytes->at) + 1 : bytes->n_bytes;
    struct str piece = { bytes->at, n };
    enum http1_verdict verdict;

    bytes->at += n;
    bytes->n_bytes -= n;
    if (r->line.n_bytes == 0 && end != NULL)
        return on_line(r, handlers, data, piece);
    buf_put_str(&r->line, piece);
    if (r->line.overflow)
        return HTTP1_FAULT;
    if (end == NULL)
        return HTTP1_MORE;
    verdict = on_line(r, handlers, data, buf_str(&r->line));
    buf_reset(&r->line);
    return verdict;
}

// Whether the bytes that came can still become a status line. One that cannot is refused
// before its line end comes: it may never come.
static bool may_be_status(const struct http1_response *r)
{
    struct str start = STR("HTTP/1.");
    size_t n = r->line.n_bytes;

    if (n > start.n_bytes)
        n = start.n_bytes;
    return r->line.at == NULL || strncasecmp(r->line.at, start.at, n) == 0;
}

// --- the body ---

static enum http1_verdict read_body(struct http1_response *r,
                                    const struct http1_handlers *handlers,
                                    void *data, struct str *bytes)
{
    bool is_bounded = r->part != HTTP1_TO_END;
    struct str piece = *bytes;

    if (is_bounded && (int64_t)piece.n_bytes > r->left_bytes)
        piece.n_bytes = (size_t)r->left_bytes;
    bytes->at += piece.n_bytes;
    bytes->n_bytes -= piece.n_bytes;
    r->n_body_bytes += (int64_t)piece.n_bytes;
    if (is_bounded) {
        r->left_bytes -= (int64_t)piece.n_bytes;
        if (r->left_bytes == 0)
            r->part = r->part == HTTP1_CHUNK ? HTTP1_BREAK : HTTP1_OVER;
    }
    return handlers->on_body(data, piece) ? HTTP1_MORE : HTTP1_STOPPED;
}

enum http1_verdict http1_response_read(struct http1_response *r,
                                       const struct http1_handlers *handlers,
                                       void *data, struct str *bytes)
{
    enum http1_verdict verdict = HTTP1_MORE;

    r->has_byte |= bytes->n_bytes > 0;
    while (verdict == HTTP1_MORE && r->part != HTTP1_OVER &&
           bytes->n_bytes > 0) {
        if (r->part == HTTP1_BODY || r->part == HTTP1_TO_END ||
            r->part == HTTP1_CHUNK) {
            verdict = read_body(r, handlers, data, bytes);
        } else {
            verdict = read_line(r, handlers, data, bytes);
        }
    }
    if (verdict == HTTP1_MORE && r->part == HTTP1_START && !may_be_status(r))
        return HTTP1_FAULT;
    return verdict == HTTP1_MORE && r->part == HTTP1_OVER ? HTTP1_DONE
                                                          : verdict;
}

enum http1_verdict http1_response_end(struct http1_response *r)
{
    if (r->part == HTTP1_TO_END) {
        r->part = HTTP1_OVER;
        return HTTP1_DONE;
    }
    return r->part == HTTP1_START ? HTTP1_NOTHING : HTTP1_CUT;
}
