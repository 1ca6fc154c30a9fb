// SPDX-License-Identifier: MIT
// parser.c — llhttp's callbacks, and what is refused besides.
//
// Lengths are counted in received bytes, before the parser sees them: it skips
// blanks and leading zeros silently, and no amount of those is free. What is
// refused does not depend on how the bytes are cut into packets.

#include <string.h>
#include <strings.h>

#include "common/base/codec.h"
#include "common/http/private.h"

#define LINE_BYTES_MAX            ((size_t)8 * 1024 + 2) // with its CR LF
#define HEADER_BYTES_MAX          ((size_t)16 * 1024)
#define CHUNK_EXTENSION_BYTES_MAX 1024
#define CHUNK_OVERHEAD_FREE_BYTES ((size_t)16 * 1024)
#define CHUNK_OVERHEAD_RATIO      4

static int fault(struct conn *c, unsigned status, const char *text)
{
    if (c->fault == 0) {
        c->fault = status;
        c->fault_text = text;
    }
    return HPE_USER;
}

// --- the header ---

static int on_url(llhttp_t *parser, const char *at, size_t n_bytes)
{
    struct conn *c = parser->data;

    buf_put(&c->text, at, n_bytes);
    c->n_target = c->text.n_bytes;
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t n_bytes)
{
    struct conn *c = parser->data;

    if (c->has_headers)
        return fault(c, 400, "trailers are not allowed");
    if (c->is_value || c->n_headers == 0) {
        if (c->n_headers == HTTP_HEADERS_MAX)
            return fault(c, 431, "there are more than 64 headers");
        c->headers[c->n_headers++] =
            (struct header_span){ .name = (uint16_t)c->text.n_bytes };
        c->is_value = false;
    }
    buf_put(&c->text, at, n_bytes);
    c->headers[c->n_headers - 1].n_name += (uint16_t)n_bytes;
    return 0;
}

// Runs for an empty value too, with no bytes.
static int on_value(llhttp_t *parser, const char *at, size_t n_bytes)
{
    struct conn *c = parser->data;
    struct header_span *h;

    if (c->has_headers || c->n_headers == 0)
        return fault(c, 400, "trailers are not allowed");
    h = &c->headers[c->n_headers - 1];
    if (!c->is_value)
        h->value = (uint16_t)c->text.n_bytes;
    c->is_value = true;
    buf_put(&c->text, at, n_bytes);
    h->n_value += (uint16_t)n_bytes;
    return 0;
}

static enum http_method method_of(llhttp_t *parser)
{
    static const struct {
        uint8_t theirs;
        enum http_method ours;
    } methods[] = {
        { HTTP_GET, METHOD_GET },         { HTTP_HEAD, METHOD_HEAD },
        { HTTP_POST, METHOD_POST },       { HTTP_PUT, METHOD_PUT },
        { HTTP_PATCH, METHOD_PATCH },     { HTTP_DELETE, METHOD_DELETE },
        { HTTP_OPTIONS, METHOD_OPTIONS },
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (methods[i].theirs == llhttp_get_method(parser))
            return methods[i].ours;
    }
    return METHOD_OTHER;
}

static size_t count_named(const struct conn *c, const char *name)
{
    size_t n_bytes = strlen(name);
    size_t n = 0;

    for (size_t i = 0; i < c->n_headers; i++) {
        const struct header_span *h = &c->headers[i];

        n += h->n_name == n_bytes &&
             strncasecmp(c->text.at + h->name, name, n_bytes) == 0;
    }
    return n;
}

static bool is_value_of(const struct conn *c, const char *name,
                        const char *wanted)
{
    struct str value = http_header(&c->request, name);

    return value.n_bytes == strlen(wanted) &&
           strncasecmp(value.at, wanted, value.n_bytes) == 0;
}

static int check_version(struct conn *c)
{
    const llhttp_t *p = &c->parser;

    if (p->http_major == 1 && (p->http_minor == 0 || p->http_minor == 1))
        return 0;
    return fault(c, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
}

static int check_target(struct conn *c)
{
    bool is_star = c->n_target == 1 && c->text.at[0] == '*' &&
                   llhttp_get_method(&c->parser) == HTTP_OPTIONS;

    if (llhttp_get_method(&c->parser) == HTTP_CONNECT) {
        return fault(
            c, 405,
            "this server is not a proxy; the request target must be a path");
    }
    if (c->n_target == 0 || (c->text.at[0] != '/' && !is_star))
        return fault(c, 400, "the request target must begin with /");
    if (memchr(c->text.at, '#', c->n_target) != NULL)
        return fault(c, 400, "the request target must have no fragment (#)");
    return 0;
}

// Refuses headers that llhttp accepts against RFC 9112, sections 3.2 and 6.1.
static int check_headers(struct conn *c)
{
    static const char *const once[] = { "authorization", "content-type",
                                        "content-length", "x-access-token" };
    size_t n = count_named(c, "host");

    if (n > 1 || (n == 0 && c->parser.http_minor == 1))
        return fault(c, 400, "there must be exactly one Host header");
    n = count_named(c, "transfer-encoding");
    if (n > 0 && c->parser.http_minor == 0)
        return fault(c, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (n > 1 || (n == 1 && (!is_value_of(c, "transfer-encoding", "chunked") ||
                             (c->parser.flags & F_CHUNKED) == 0)))
        return fault(c, 501, "the only Transfer-Encoding known is chunked");
    for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
        if (count_named(c, once[i]) > 1) {
            return fault(c, 400,
                         "Authorization, Content-Type, Content-Length and "
                         "x-access-token may be given once each");
        }
    }
    return 0;
}

static void fill_request(struct conn *c)
{
    struct http_request *r = &c->request;
    struct str target = { c->text.at, c->n_target };
    const char *mark = memchr(target.at, '?', target.n_bytes);

    r->method = method_of(&c->parser);
    r->method_name = str_of(
        llhttp_method_name((llhttp_method_t)llhttp_get_method(&c->parser)));
    r->path = target;
    r->query = STR_EMPTY;
    if (mark != NULL) {
        r->path.n_bytes = (size_t)(mark - target.at);
        r->query =
            (struct str){ mark + 1, target.n_bytes - r->path.n_bytes - 1 };
    }
    r->body = STR_EMPTY;
    r->announced_bytes = (c->parser.flags & F_CONTENT_LENGTH) != 0
                             ? c->parser.content_length
                             : 0;
    r->has_body_announced =
        r->announced_bytes > 0 || (c->parser.flags & F_CHUNKED) != 0;
    r->body_limit_bytes = c->server->limits.max_body_bytes;
    r->data = NULL;
}

// "Expect: 100-continue" (RFC 9110, 10.1.1): the client waits until the server asks
// for the body. HTTP/1.0 does not have it.
static int answer_expectation(struct conn *c)
{
    static char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t bytes = uv_buf_init(go_on, sizeof(go_on) - 1);

    if (c->parser.http_minor == 0 || count_named(c, "expect") == 0)
        return 0;
    if (!is_value_of(c, "expect", "100-continue"))
        return fault(c, 417, "the only expectation known is 100-continue");
    if (c->request.has_body_announced)
        (void)stream_try_write(&c->stream, &bytes); // or it waits a bit
    return 0;
}

static int hand_headers(struct conn *c)
{
    struct http_request *r = &c->request;
    struct http_server *s = c->server;
    struct blamed record = { BLAME_REQUEST, blame_hash(buf_str(&c->text), 2),
                             c->text.n_bytes };
    struct blamed before;

    if (alone_refuses(&record))
        return fault(c, 500, HTTP_REFUSED_BYTES);
    before = blame_begin(BLAME_REQUEST, record.a, record.b);
    c->is_handed = true;
    c->has_rest = r->has_body_announced;
    c->n_requests++;
    s->figures.n_requests++;
    if (s->handlers.on_headers != NULL)
        s->handlers.on_headers(s->handlers.data, r);
    blame_end(before);
    if (c->is_answered || c->state == CONN_STREAM)
        return c->has_rest ? HPE_USER : 0; // the body is not read
    if (r->announced_bytes > r->body_limit_bytes)
        return fault(c, 413, "the body is larger than allowed");
    return answer_expectation(c);
}

// A client of a proxy has no more requests in work than one with connections of its
// own.
static int count_client(struct conn *c)
{
    if (!conn_enter_client(c) ||
        c->peer->n_connections <= c->server->limits.max_per_address ||
        conn_make_room_of_peer(c))
        return 0;
    return fault(c, HTTP_REFUSED_STATUS, HTTP_TOO_MANY);
}

static int on_headers_complete(llhttp_t *parser)
{
    struct conn *c = parser->data;
    int rc = check_version(c);

    c->has_headers = true;
    parser->upgrade = 0; // upgrades are not supported
    if (rc == 0)
        rc = check_target(c);
    if (rc == 0)
        rc = check_headers(c);
    if (rc != 0)
        return rc;
    fill_request(c);
    rc = count_client(c);
    if (rc != 0)
        return rc;
    c->keeps_alive = llhttp_should_keep_alive(parser) != 0;
    conn_enter(c, CONN_BODY);
    return hand_headers(c);
}

// --- the body ---

// Of the bytes received up to `n_raw_bytes`: is too large a part not body?
static bool is_overhead(const struct conn *c, size_t n_raw_bytes)
{
    size_t n_overhead = n_raw_bytes - c->body.n_bytes;

    return (c->parser.flags & F_CHUNKED) != 0 &&
           n_overhead > CHUNK_OVERHEAD_FREE_BYTES &&
           n_overhead > CHUNK_OVERHEAD_RATIO * c->body.n_bytes;
}

static int refuse_overhead(struct conn *c)
{
    return fault(c, 400,
                 "the chunks are too small: their framing is more than four "
                 "times the body");
}

static int on_body(llhttp_t *parser, const char *at, size_t n_bytes)
{
    struct conn *c = parser->data;
    if (is_overhead(c, c->n_raw_bytes + (size_t)(at - c->feed)))
        return refuse_overhead(c);
    if (n_bytes > c->request.body_limit_bytes - c->body.n_bytes)
        return fault(c, 413, "the body is larger than allowed");
    if (!budget_has_room(c, n_bytes)) {
        return fault(c, HTTP_REFUSED_STATUS,
                     "too much memory is held for clients "
                     "(max_buffered_bytes); try again later");
    }
    buf_put(&c->body, at, n_bytes);
    c->n_window_bytes += n_bytes;
    budget_count(c);
    return 0;
}

static int on_chunk_extension(llhttp_t *parser, const char *at, size_t n_bytes)
{
    struct conn *c = parser->data;

    (void)at;
    c->n_chunk_extension_bytes += n_bytes;
    if (c->n_chunk_extension_bytes > CHUNK_EXTENSION_BYTES_MAX)
        return fault(c, 400, "chunk extensions are longer than 1 KiB");
    return 0;
}

// The next request of the connection waits until this one is answered.
static int on_message_complete(llhttp_t *parser)
{
    struct conn *c = parser->data;

    c->has_rest = false;
    return HPE_PAUSED;
}

void parse_settings(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_url = on_url;
    settings->on_header_field = on_field;
    settings->on_header_value = on_value;
    settings->on_headers_complete = on_headers_complete;
    settings->on_body = on_body;
    settings->on_chunk_extension_name = on_chunk_extension;
    settings->on_chunk_extension_value = on_chunk_extension;
    settings->on_message_complete = on_message_complete;
}

void parse_reset(struct conn *c)
{
    llhttp_init(&c->parser, HTTP_REQUEST, &c->server->settings);
    c->parser.data = c;
    buf_reset(&c->text);
    c->n_target = 0;
    c->n_headers = 0;
    c->n_lines = 0;
    c->n_line_bytes = 0;
    c->n_header_bytes = 0;
    c->n_raw_bytes = 0;
    c->n_chunk_extension_bytes = 0;
    c->fault = 0;
    c->is_value = false;
    c->has_headers = false;
}

// --- feeding ---

// The largest length of the current line. The empty line at the end, of two bytes,
// is allowed when the header is full.
static size_t line_bytes_max(const struct conn *c)
{
    size_t n_bytes;

    if (c->n_lines == 0)
        return LINE_BYTES_MAX;
    n_bytes = HEADER_BYTES_MAX - c->n_header_bytes;
    return n_bytes > 2 ? n_bytes : 2;
}

// How many of the bytes belong to the header and are within its limits.
static size_t header_part(struct conn *c, const char *at, size_t n_bytes,
                          bool *is_too_long)
{
    size_t n_done = 0;

    while (n_done < n_bytes) {
        const char *from = at + n_done;
        const char *end = memchr(from, '\n', n_bytes - n_done);
        size_t n = end != NULL ? (size_t)(end + 1 - from) : n_bytes - n_done;
        size_t room_bytes = line_bytes_max(c) - c->n_line_bytes;

        *is_too_long = n > room_bytes;
        if (*is_too_long)
            return n_done + room_bytes;
        n_done += n;
        c->n_line_bytes += n;
        if (end == NULL)
            break;
        if (c->n_lines > 0 && c->n_line_bytes <= 2)
            break; // the empty line
        if (c->n_lines > 0)
            c->n_header_bytes += c->n_line_bytes;
        c->n_lines++;
        c->n_line_bytes = 0;
    }
    return n_done;
}

static llhttp_errno_t feed_header(struct conn *c, const char *at,
                                  size_t n_bytes, size_t *n_used)
{
    bool is_too_long = false;
    llhttp_errno_t error;

    *n_used = header_part(c, at, n_bytes, &is_too_long);
    error = llhttp_execute(&c->parser, at, *n_used);
    if (error != HPE_OK || !is_too_long)
        return error;
    if (c->n_lines == 0) {
        fault(c, 414, "the request line is longer than 8 KiB");
    } else {
        fault(c, 431, "the header is larger than 16 KiB");
    }
    return HPE_USER;
}

llhttp_errno_t parse_feed(struct conn *c, const char *at, size_t n_bytes,
                          size_t *n_used)
{
    llhttp_errno_t error;

    if (!c->has_headers)
        return feed_header(c, at, n_bytes, n_used);
    c->feed = at;
    error = llhttp_execute(&c->parser, at, n_bytes);
    *n_used = n_bytes;
    if (error == HPE_PAUSED) {
        *n_used = (size_t)(llhttp_get_error_pos(&c->parser) - at);
    } else if (error != HPE_OK) {
        return error;
    }
    c->n_raw_bytes += *n_used;
    if (!is_overhead(c, c->n_raw_bytes))
        return error;
    refuse_overhead(c);
    return HPE_USER;
}
