// http_conn.c — bytes in, requests out.

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/http_private.h"
#include "common/log.h"
#include "common/mem.h"

#define CHUNK_EXTENSION_BYTES_MAX 1024
#define CHUNK_OVERHEAD_BYTES      5 // at least: a digit and two line ends
#define CHUNK_OVERHEAD_FREE       ((size_t)16 * 1024)
#define INPUT_MAX_BYTES           ((size_t)64 * 1024)
#define LINGER_MAX_BYTES          ((size_t)64 * 1024)

void conn_enter(struct conn *c, enum conn_state state)
{
    c->state = state;
    c->since_ms = uv_now(c->server->loop);
    c->n_window_bytes = 0;
}

// --- faults found while parsing: remembered, answered after it ---

static int fault(struct conn *c, unsigned status, const char *text)
{
    if (c->fault == 0) {
        c->fault = status;
        c->fault_text = text;
    }
    return HPE_USER;
}

static bool may_grow(struct conn *c, size_t n_bytes)
{
    struct http_server *s = c->server;

    if (s->figures.n_buffered_bytes + n_bytes > s->limits.max_buffered_bytes)
        return false;
    s->figures.n_buffered_bytes += n_bytes;
    return true;
}

static void drop_body(struct conn *c)
{
    c->server->figures.n_buffered_bytes -= c->body.n_bytes;
    if (c->body.room_bytes > HTTP_KEEP_BYTES) {
        buf_clear(&c->body);
    } else {
        buf_reset(&c->body);
    }
}

// --- callbacks of the parser ---

static int on_url(llhttp_t *parser, const char *at, size_t n_bytes)
{
    struct conn *c = parser->data;

    buf_put(&c->text, at, n_bytes);
    c->n_target = c->text.n_bytes;
    if (c->n_target > HTTP_LINE_BYTES_MAX)
        return fault(c, 414, "the request line is longer than 8 KiB");
    return 0;
}

static int count_header_bytes(struct conn *c, size_t n_bytes)
{
    c->n_header_bytes += n_bytes;
    if (c->n_header_bytes > HTTP_HEADER_BYTES_MAX)
        return fault(c, 431, "the header is larger than 16 KiB");
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
            (struct header_span){ .name = (uint32_t)c->text.n_bytes };
        c->is_value = false;
    }
    buf_put(&c->text, at, n_bytes);
    c->headers[c->n_headers - 1].n_name += (uint32_t)n_bytes;
    return count_header_bytes(c, n_bytes);
}

static int on_value(llhttp_t *parser, const char *at, size_t n_bytes)
{
    struct conn *c = parser->data;
    struct header_span *h;

    if (c->has_headers || c->n_headers == 0)
        return fault(c, 400, "trailers are not allowed");
    h = &c->headers[c->n_headers - 1];
    if (!c->is_value)
        h->value = (uint32_t)c->text.n_bytes;
    c->is_value = true;
    buf_put(&c->text, at, n_bytes);
    h->n_value += (uint32_t)n_bytes;
    return count_header_bytes(c, n_bytes);
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

static size_t count_named(const struct conn *c, const char *name,
                          struct str *value)
{
    size_t n_bytes = strlen(name);
    size_t n = 0;

    for (size_t i = 0; i < c->n_headers; i++) {
        const struct header_span *h = &c->headers[i];

        if (h->n_name != n_bytes ||
            strncasecmp(c->text.at + h->name, name, n_bytes) != 0)
            continue;
        if (n++ == 0)
            *value = (struct str){ c->text.at + h->value, h->n_value };
    }
    return n;
}

static int judge_version(struct conn *c)
{
    const llhttp_t *p = &c->parser;

    if (p->http_major == 1 && (p->http_minor == 0 || p->http_minor == 1))
        return 0;
    return fault(c, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
}

// What the parser lets through and we do not: RFC 9112, sections 3.2 and 6.1.
static int judge_headers(struct conn *c)
{
    static const char *const once[] = { "authorization", "content-type",
                                        "content-length", "x-access-token" };
    struct str value = STR_EMPTY;
    size_t n = count_named(c, "host", &value);

    if (n > 1 || (n == 0 && c->parser.http_minor == 1))
        return fault(c, 400, "there must be exactly one Host header");
    n = count_named(c, "transfer-encoding", &value);
    if (n > 0 && c->parser.http_minor == 0)
        return fault(c, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (n > 1 || (n == 1 && (value.n_bytes != 7 ||
                             strncasecmp(value.at, "chunked", 7) != 0)))
        return fault(c, 501, "the only Transfer-Encoding known is chunked");
    for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
        if (count_named(c, once[i], &value) > 1) {
            return fault(c, 400,
                         "a header that may be given once is given "
                         "twice");
        }
    }
    return 0;
}

static void fill_request(struct conn *c)
{
    struct http_request *r = &c->request;
    struct str target = { c->text.at, c->n_target };
    const char *mark =
        target.n_bytes > 0 ? memchr(target.at, '?', target.n_bytes) : NULL;

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

static int judge_target(struct conn *c)
{
    bool is_star = c->n_target == 1 && c->text.at[0] == '*' &&
                   llhttp_get_method(&c->parser) == HTTP_OPTIONS;

    if (llhttp_get_method(&c->parser) == HTTP_CONNECT)
        return fault(c, 405, "there is no proxy here");
    if (c->n_target == 0 || (c->text.at[0] != '/' && !is_star))
        return fault(c, 400, "the request target must begin with /");
    return 0;
}

// "Expect: 100-continue" (RFC 9110, 10.1.1): the client waits to be told that
// its body is wanted.
static int answer_expectation(struct conn *c)
{
    static char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct str value = STR_EMPTY;
    uv_buf_t bytes = uv_buf_init(go_on, sizeof(go_on) - 1);

    if (count_named(c, "expect", &value) == 0)
        return 0;
    if (value.n_bytes != 12 || strncasecmp(value.at, "100-continue", 12) != 0)
        return fault(c, 417, "the only expectation known is 100-continue");
    if (c->request.has_body_announced)
        uv_try_write((uv_stream_t *)&c->tcp, &bytes, 1); // or it waits a bit
    return 0;
}

static int hand_headers(struct conn *c)
{
    struct http_request *r = &c->request;
    struct http_server *s = c->server;

    c->is_handed = true;
    c->has_rest = r->has_body_announced;
    if (s->handlers.on_headers != NULL)
        s->handlers.on_headers(s->handlers.data, r);
    if (c->is_answered || c->state == CONN_STREAM)
        return r->has_body_announced ? HPE_USER : 0; // the body is not read
    if (r->announced_bytes > r->body_limit_bytes)
        return fault(c, 413, "the body is larger than allowed");
    return answer_expectation(c);
}

static int on_headers_complete(llhttp_t *parser)
{
    struct conn *c = parser->data;
    int rc = judge_version(c);

    c->has_headers = true;
    parser->upgrade = 0; // offers to upgrade are not taken
    if (rc == 0)
        rc = judge_target(c);
    if (rc == 0)
        rc = judge_headers(c);
    if (rc != 0)
        return rc;
    fill_request(c);
    c->keeps_alive = llhttp_should_keep_alive(parser) != 0;
    conn_enter(c, CONN_BODY);
    return hand_headers(c);
}

static int on_body(llhttp_t *parser, const char *at, size_t n_bytes)
{
    struct conn *c = parser->data;

    if (c->body.n_bytes + n_bytes > c->request.body_limit_bytes)
        return fault(c, 413, "the body is larger than allowed");
    if (!may_grow(c, n_bytes))
        return fault(c, 503, "too much is being read at once; try again");
    buf_put(&c->body, at, n_bytes);
    c->n_window_bytes += n_bytes;
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

static int on_chunk_header(llhttp_t *parser)
{
    struct conn *c = parser->data;
    size_t n_overhead = ++c->n_chunks * CHUNK_OVERHEAD_BYTES;

    if (n_overhead > CHUNK_OVERHEAD_FREE && n_overhead > 4 * c->body.n_bytes)
        return fault(c, 400, "the chunks are too small");
    return 0;
}

// The next request of the connection waits until this one is answered.
static int on_message_complete(llhttp_t *parser)
{
    struct conn *c = parser->data;

    c->has_rest = false;
    return HPE_PAUSED;
}

void conn_settings(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_url = on_url;
    settings->on_header_field = on_field;
    settings->on_header_value = on_value;
    settings->on_headers_complete = on_headers_complete;
    settings->on_body = on_body;
    settings->on_chunk_extension_name = on_chunk_extension;
    settings->on_chunk_extension_value = on_chunk_extension;
    settings->on_chunk_header = on_chunk_header;
    settings->on_message_complete = on_message_complete;
}

// --- the life of a connection ---

static void reset_request(struct conn *c)
{
    llhttp_init(&c->parser, HTTP_REQUEST, &c->server->settings);
    c->parser.data = c;
    buf_reset(&c->text);
    drop_body(c);
    if (c->output.room_bytes > HTTP_KEEP_BYTES)
        buf_clear(&c->output);
    c->n_target = 0;
    c->n_headers = 0;
    c->n_header_bytes = 0;
    c->n_chunk_extension_bytes = 0;
    c->n_chunks = 0;
    c->fault = 0;
    c->is_value = false;
    c->has_headers = false;
    c->is_handed = false;
    c->is_answered = false;
    c->has_rest = false;
    c->keeps_alive = false;
    conn_enter(c, CONN_IDLE);
}

static void hand_dropped(struct conn *c)
{
    struct http_server *s = c->server;

    if (!c->is_handed || c->is_answered)
        return;
    c->is_handed = false;
    if (s->handlers.on_dropped != NULL)
        s->handlers.on_dropped(s->handlers.data, &c->request);
    c->request.data = NULL;
}

void conn_fault(struct conn *c, unsigned status, const char *text)
{
    struct str headers = status == 503 ? STR("Retry-After: 1\r\n") : STR_EMPTY;

    c->server->figures.n_malformed++;
    hand_dropped(c);
    c->has_rest = true; // so the connection does not go on
    if (!c->has_headers)
        c->request.method = METHOD_OTHER;
    http_fail(&c->request, status, headers, "%s", text);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    bool is_handlers = c->state == CONN_WORK || c->state == CONN_STREAM;

    c->is_gone = true;
    if (is_handlers && !c->is_answered)
        return; // the handler has it: freed when it answers
    server_forget(c);
}

void conn_close(struct conn *c)
{
    void (*on_gone)(struct http_request *) = c->on_gone;

    if (c->is_tcp_closed)
        return;
    c->is_tcp_closed = true;
    c->on_gone = NULL;
    if (c->state != CONN_WORK && c->state != CONN_STREAM) {
        hand_dropped(c);
        c->state = CONN_CLOSED;
    }
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    if (c->state == CONN_STREAM && on_gone != NULL)
        on_gone(&c->request); // last: it may end the stream
}

static void hand_request(struct conn *c)
{
    struct http_server *s = c->server;

    c->n_requests++;
    s->figures.n_requests++;
    if (c->is_answered || c->state == CONN_STREAM)
        return; // on_headers has
    c->request.body = buf_str(&c->body);
    conn_enter(c, CONN_WORK);
    s->handlers.on_request(s->handlers.data, &c->request);
}

static void answer_parser_error(struct conn *c, llhttp_errno_t error)
{
    if (c->is_answered || c->state == CONN_STREAM)
        return; // early, in on_headers; the rest is not read
    if (c->fault != 0) {
        conn_fault(c, c->fault, c->fault_text);
    } else if (error == HPE_PAUSED_H2_UPGRADE) {
        conn_fault(c, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    } else {
        conn_fault(c, 400,
                   llhttp_get_error_reason(&c->parser) != NULL &&
                           *llhttp_get_error_reason(&c->parser) != '\0'
                       ? llhttp_get_error_reason(&c->parser)
                       : "this is not HTTP");
    }
}

// Parses one stretch. Returns how much of it was used; the rest belongs to the
// next request.
static size_t parse(struct conn *c, const char *at, size_t n_bytes)
{
    llhttp_errno_t error;

    if (c->state == CONN_IDLE) {
        conn_enter(c, CONN_HEADER);
        c->request.first_byte_us = clock_now_us();
    }
    c->is_in_parser = true;
    error = llhttp_execute(&c->parser, at, n_bytes);
    c->is_in_parser = false;
    if (error == HPE_OK)
        return n_bytes;
    if (error == HPE_PAUSED) { // a request is complete
        n_bytes = (size_t)(llhttp_get_error_pos(&c->parser) - at);
        hand_request(c);
    } else { // what follows is not to be trusted
        c->keeps_alive = false;
        answer_parser_error(c, error);
    }
    if (c->is_next_due)
        conn_next(c);
    return n_bytes;
}

static bool is_parsing(const struct conn *c)
{
    return !c->is_tcp_closed &&
           (c->state == CONN_IDLE || c->state == CONN_HEADER ||
            c->state == CONN_BODY);
}

// Not recursive: an answer given inside a handler only changes the state, and
// the loop here goes on with the next request.
void conn_run(struct conn *c)
{
    if (c->is_running)
        return;
    c->is_running = true;
    while (is_parsing(c) && c->input.n_bytes > 0) {
        size_t n_used = parse(c, c->input.at, c->input.n_bytes);

        buf_consume(&c->input, n_used);
    }
    c->is_running = false;
    if (c->input.n_bytes == 0 && c->input.room_bytes > HTTP_KEEP_BYTES)
        buf_clear(&c->input);
    if (c->is_at_end && is_parsing(c)) {
        conn_close(c);
    } else if (!c->is_tcp_closed && !c->is_reading && !c->is_at_end &&
               c->input.n_bytes < INPUT_MAX_BYTES) {
        conn_start(c);
    }
}

void conn_next(struct conn *c)
{
    c->is_next_due = c->is_in_parser;
    if (c->is_in_parser || c->is_tcp_closed)
        return;
    if (!c->keeps_alive) {
        reply_linger(c);
        return;
    }
    reset_request(c);
    conn_run(c);
}

// --- reading ---

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct conn *c = handle->data;

    (void)suggested;
    *out = uv_buf_init(c->server->read_buffer, HTTP_READ_BYTES);
}

static void take_input(struct conn *c, const char *at, size_t n_bytes)
{
    size_t n_used = 0;

    if (c->state == CONN_LINGER) {
        c->n_lingered_bytes += n_bytes;
        if (c->n_lingered_bytes > LINGER_MAX_BYTES)
            conn_close(c);
        return;
    }
    // The usual case: a whole request, nothing kept, parsed where it lies.
    if (is_parsing(c) && c->input.n_bytes == 0 && !c->is_running) {
        c->is_running = true;
        while (is_parsing(c) && n_used < n_bytes)
            n_used += parse(c, at + n_used, n_bytes - n_used);
        c->is_running = false;
    }
    if (c->is_tcp_closed)
        return;
    buf_put(&c->input, at + n_used, n_bytes - n_used);
    if (c->input.n_bytes >= INPUT_MAX_BYTES) {
        uv_read_stop((uv_stream_t *)&c->tcp);
        c->is_reading = false;
    }
    conn_run(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct conn *c = stream->data;

    if (n > 0) {
        take_input(c, bytes->base, (size_t)n);
        return;
    }
    if (n == 0)
        return;
    c->is_at_end = true;
    uv_read_stop(stream);
    c->is_reading = false;
    // A client that closed its side may still read the answer.
    if (n == UV_EOF && (c->state == CONN_WORK || c->state == CONN_REPLYING))
        return;
    conn_close(c);
}

void conn_start(struct conn *c)
{
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0) {
        c->is_reading = true;
    } else {
        conn_close(c);
    }
}

struct conn *conn_new(struct http_server *s)
{
    struct conn *c = xcalloc(1, sizeof(*c));

    c->server = s;
    buf_init(&c->text, 0);
    buf_init(&c->body, 0);
    buf_init(&c->input, 0);
    buf_init(&c->output, 0);
    uv_tcp_init(s->loop, &c->tcp);
    c->tcp.data = c;
    reset_request(c);
    return c;
}
