// SPDX-License-Identifier: MIT
// exchange.c — a request of HTTP/1.1, and its response.
//
// libcurl writes the headers of a request byte by byte, reads its URL again for each, and
// asks the kernel twice whether there is something to read: most of a sender's time. So it
// only makes the connection (connection.c). The request is written in one piece here, the
// response is read by http1_response.c. How an attempt ends is told by libcurl's codes in
// any case, so that the rest does not depend on who spoke with the receiver.
//
// Reading comes before writing, as in transfer_sockets.c: a send that fails says nothing
// yet, an answer may have come before. What the next read finds decides.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "engine/sender/private.h"

#define TURN_BYTES  ((size_t)256 * 1024)
#define CHUNK_BYTES ((size_t)64 * 1024)
#define MS_US       1000

// --- the request ---

// The header of a request that begins with `start`: a name, and a colon. NULL: none.
static const char *header_of(struct str headers, const char *start,
                             bool any_case)
{
    const char *end = headers.at + headers.n_bytes;
    size_t n = strlen(start);

    for (const char *at = headers.at; at < end; at += strlen(at) + 1) {
        if (any_case ? strncasecmp(at, start, n) == 0
                     : strncmp(at, start, n) == 0)
            return at;
    }
    return NULL;
}

static struct str without(struct str text, size_t n_front, struct str end)
{
    text.at += n_front;
    text.n_bytes -= n_front;
    if (text.n_bytes > end.n_bytes &&
        memcmp(text.at + text.n_bytes - end.n_bytes, end.at, end.n_bytes) == 0)
        text.n_bytes -= end.n_bytes;
    return text;
}

// The host of the URL, and its port unless it is the scheme's (RFC 9110, 7.2).
static struct str host_of(struct str url)
{
    return str_starts(url, STR("https:"))
               ? without(endpoint_name(url), strlen("https://"), STR(":443"))
               : without(endpoint_name(url), strlen("http://"), STR(":80"));
}

// Puts a header that the order does not have itself.
static void put_header(struct buf *out, const struct order *order,
                       const char *start, struct str value, bool is_lower)
{
    size_t at = out->n_bytes;

    if (header_of(order->headers, start, true) != NULL)
        return;
    buf_puts(out, start);
    for (size_t i = at; is_lower && i < out->n_bytes; i++) {
        if (out->at[i] >= 'A' && out->at[i] <= 'Z')
            out->at[i] = (char)(out->at[i] + ('a' - 'A'));
    }
    buf_putc(out, ' ');
    buf_put_str(out, value);
    buf_puts(out, "\r\n");
}

static void put_target(struct buf *out, struct str url)
{
    size_t n = endpoint_name(url).n_bytes;

    if (n == url.n_bytes || url.at[n] != '/')
        buf_putc(out, '/');
    buf_put(out, url.at + n, url.n_bytes - n);
}

void exchange_prepare(struct transfer *t, const struct order *order)
{
    const char *end = order->headers.at + order->headers.n_bytes;
    // A hook may want its names in lower case: then its own ones are so already.
    bool is_lower = header_of(order->headers, "accept:", false) != NULL;
    struct buf *out = &t->copy;
    char length[24];
    int n;

    buf_reset(out);
    buf_put_str(out, order->url);
    buf_putc(out, '\0');
    t->request_at = out->n_bytes;
    buf_puts(out, order_method_name(order->method));
    buf_putc(out, ' ');
    put_target(out, order->url);
    buf_puts(out, " HTTP/1.1\r\n");
    put_header(out, order, "Host:", host_of(order->url), is_lower);
    put_header(out, order, "User-Agent:", STR(USER_AGENT), is_lower);
    put_header(out, order, "Accept:", STR("*/*"), is_lower);
    for (const char *at = order->headers.at; at < end; at += strlen(at) + 1) {
        buf_puts(out, at);
        buf_puts(out, "\r\n");
    }
    if (order->method == ORDER_POST) {
        n = snprintf(length, sizeof(length), "%zu", order->body.n_bytes);
        put_header(out, order,
                   "Content-Length:", (struct str){ length, (size_t)n },
                   is_lower);
    }
    buf_puts(out, "\r\n");
    if (order->method == ORDER_POST)
        buf_put_str(out, order->body);
}

static size_t n_unsent(const struct transfer *t)
{
    return t->copy.n_bytes - t->request_at - t->n_sent_bytes;
}

static bool receive(struct transfer *t);
static void limit_time(struct transfer *t);

static void end_attempt(struct transfer *t, CURLcode code, const char *message)
{
    (void)snprintf(t->message, sizeof(t->message), "%s", message);
    t->owner->ended(t, code);
}

// The rest of the request cannot be sent. A response that has begun may still end.
static void on_cut(uv_timer_t *timer)
{
    struct transfer *t = timer->data;
    char message[CURL_ERROR_SIZE];

    connection_turn(t->connection);
    if (receive(t))
        return;
    if (t->response.has_byte) {
        limit_time(t);
        return;
    }
    (void)snprintf(message, sizeof(message), "Send failure: %s",
                   strerror(t->send_errno));
    end_attempt(t, CURLE_SEND_ERROR, message);
}

static void send_some(struct transfer *t)
{
    const char *at = t->copy.at + t->request_at + t->n_sent_bytes;
    ssize_t n = connection_send(t->connection, at, n_unsent(t));

    if (n >= 0) {
        t->n_sent_bytes += (size_t)n;
    } else if (errno != EAGAIN && errno != EINTR) {
        t->is_cut = true;
        t->send_errno = errno;
        uv_timer_start(&t->timer, on_cut, 0, 0);
    }
    connection_arm(t->connection, n_unsent(t) > 0 && !t->is_cut
                                      ? UV_READABLE | UV_WRITABLE
                                      : UV_READABLE);
}

// --- the response ---

static bool on_line(void *data, struct str line)
{
    return response_line(data, line);
}

static bool on_body(void *data, struct str bytes)
{
    return response_body(data, bytes);
}

static void end_by(struct transfer *t, enum http1_verdict verdict,
                   size_t n_left_bytes)
{
    switch (verdict) {
    case HTTP1_DONE:
        t->may_keep = t->response.is_kept && n_left_bytes == 0 &&
                      n_unsent(t) == 0 && !t->is_cut;
        end_attempt(t, CURLE_OK, "");
        break;
    case HTTP1_NOTHING:
        end_attempt(t, CURLE_GOT_NOTHING, "Empty reply from server");
        break;
    case HTTP1_CUT: // without a whole header block: "no complete response"
        end_attempt(t, t->has_header_block ? CURLE_PARTIAL_FILE : CURLE_OK, "");
        break;
    case HTTP1_STOPPED:
        end_attempt(t, CURLE_WRITE_ERROR, "");
        break;
    default:
        end_attempt(t, CURLE_WEIRD_SERVER_REPLY, "");
        break;
    }
}

// With TLS, libcurl has told the reason.
static void end_by_error(struct transfer *t, int reason)
{
    char message[CURL_ERROR_SIZE];

    if (t->connection->easy != NULL) {
        t->owner->ended(t, CURLE_RECV_ERROR);
        return;
    }
    (void)snprintf(message, sizeof(message), "Recv failure: %s",
                   strerror(reason));
    end_attempt(t, CURLE_RECV_ERROR, message);
}

// Reads once. True: the attempt has ended. False: `n` is what connection_receive() gave.
static bool read_once(struct transfer *t, ssize_t *n)
{
    static const struct http1_handlers handlers = { on_line, on_body };
    static char room[CHUNK_BYTES];
    enum http1_verdict verdict;
    struct str bytes = { room, 0 };

    *n = connection_receive(t->connection, room, sizeof(room));
    if (*n < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return false;
        end_by_error(t, errno);
        return true;
    }
    if (*n == 0) {
        end_by(t, http1_response_end(&t->response), 0);
        return true;
    }
    if (t->first_byte_at_us == 0)
        t->first_byte_at_us = clock_mono_us();
    bytes.n_bytes = (size_t)*n;
    verdict = http1_response_read(&t->response, &handlers, t, &bytes);
    if (verdict == HTTP1_MORE)
        return false;
    end_by(t, verdict, bytes.n_bytes);
    return true;
}

// Without TLS, a read that gave less than was asked for has read all. With TLS there may
// be more, which the socket does not show: it is read to the end, or, when a turn is over,
// in the next one, for which a socket that can be written to is waited for.
static bool receive(struct transfer *t)
{
    bool has_tls = t->connection->easy != NULL;
    size_t n_bytes = 0;
    ssize_t n;

    do {
        if (read_once(t, &n))
            return true;
        n_bytes += n > 0 ? (size_t)n : 0;
    } while (n > 0 && (has_tls || n == CHUNK_BYTES) && n_bytes < TURN_BYTES);
    t->is_turn_over = has_tls && n > 0;
    if (t->is_turn_over)
        connection_arm(t->connection, UV_READABLE | UV_WRITABLE);
    return false;
}

static void on_ready(struct transfer *t, int events)
{
    if (receive(t) || (events & UV_WRITABLE) == 0)
        return;
    if (n_unsent(t) > 0 && !t->is_cut) {
        send_some(t);
    } else if (!t->is_turn_over) {
        connection_arm(t->connection, UV_READABLE);
    }
}

// --- the exchange ---

static void on_time_over(uv_timer_t *timer)
{
    struct transfer *t = timer->data;
    char message[CURL_ERROR_SIZE];

    connection_turn(t->connection);
    (void)snprintf(message, sizeof(message),
                   "Operation timed out after %lld milliseconds with %lld "
                   "bytes received",
                   (long long)((clock_mono_us() - t->begun_at_us) / MS_US),
                   (long long)t->response.n_body_bytes);
    end_attempt(t, CURLE_OPERATION_TIMEDOUT, message);
}

static void limit_time(struct transfer *t)
{
    int64_t left_ms =
        t->request_timeout_ms - (clock_mono_us() - t->begun_at_us) / MS_US;

    uv_timer_start(&t->timer, on_time_over, left_ms > 0 ? (uint64_t)left_ms : 1,
                   0);
}

static void begin(struct transfer *t, struct connection *c)
{
    t->connection = c;
    c->transfer = t;
    t->has_exchange = true;
    t->n_sent_bytes = 0;
    t->first_byte_at_us = 0;
    t->is_cut = false;
    t->may_keep = false;
    http1_response_reset(&t->response);
    if (c->easy != NULL)
        SET(c->easy, CURLOPT_ERRORBUFFER, t->message);
    limit_time(t);
    send_some(t);
}

bool exchange_reuse(struct transfer *t,
                    bool (*permits)(struct transfer *t,
                                    const struct connection *c))
{
    struct connection *c =
        connection_take(t->owner, endpoint_name(str_of(t->copy.at)));

    if (c == NULL)
        return false;
    if (!permits(t, c)) { // made under other rules: a new one is judged anew
        connection_close(c);
        return false;
    }
    t->is_reused = true;
    t->n_tries = 1;
    t->dns_us = 0;
    t->connect_us = 0;
    t->tls_us = 0;
    begin(t, c);
    return true;
}

static int64_t figure_of(CURL *easy, CURLINFO which)
{
    curl_off_t n = 0;

    curl_easy_getinfo(easy, which, &n);
    return n;
}

bool exchange_begin(struct transfer *t)
{
    struct connection *c;

    t->is_reused = false;
    t->dns_us = figure_of(t->easy, CURLINFO_NAMELOOKUP_TIME_T);
    t->connect_us = figure_of(t->easy, CURLINFO_CONNECT_TIME_T);
    t->tls_us = figure_of(t->easy, CURLINFO_APPCONNECT_TIME_T);
    c = connection_open(t);
    if (c == NULL)
        return false;
    begin(t, c);
    return true;
}

void exchange_leave(struct transfer *t, bool is_sound)
{
    uv_timer_stop(&t->timer);
    if (is_sound && t->may_keep && !t->is_unclear) {
        connection_keep(t->connection);
    } else {
        connection_close(t->connection);
    }
    t->connection = NULL;
}

void exchange_start(struct transfers *ts)
{
    ts->ready = on_ready;
}

void exchange_init(struct transfer *t)
{
    http1_response_init(&t->response);
    uv_timer_init(t->owner->loop, &t->timer);
    t->timer.data = t;
}
