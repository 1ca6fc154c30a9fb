// transfer.c — makes HTTP attempts: libcurl's multi interface on a libuv loop.
//
// Happy path: an order is copied into a free transfer, whose easy handle keeps
// its options from the last use; libcurl takes a kept connection or makes one;
// header and body come through callbacks; the outcome goes to the owner and
// the transfer back to the free list.
//
// If it fails: libcurl's code becomes an error class. A complete header block
// counts even if the body is cut: whatever came after it is no reason to send
// a delivered event again.
//
// Poll handles stay registered per socket from one transfer to the next and
// go when libcurl closes the socket. Registering them anew for every transfer,
// as libcurl's example does, costs a third of the throughput.

#include "engine/transfer.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "engine/guard.h"

#define HEADERS_MAX        64   // of a request
#define RESPONSE_LINES_MAX 1000 // header lines of a response, 1xx included
#define DNS_CACHE_S        30L
#define CONNECTION_IDLE_S  60L
#define CONNECTION_LIFE_S  300L
#define USER_AGENT         "posthorn/" POSTHORN_VERSION

struct transfers;

struct transfer {
    struct transfers *owner;
    struct transfer *next_free;
    CURL *easy;
    uint64_t no;
    int64_t started_at_us;
    struct buf copy; // URL, headers and body of the order
    struct curl_slist headers[HEADERS_MAX];
    struct buf response_headers;
    struct buf response_body;
    unsigned n_response_lines;
    bool has_header_block; // a complete one that is not 1xx
    bool is_truncated;
    bool was_blocked; // by the address guard
    char message[CURL_ERROR_SIZE];
};

// A socket of libcurl's.
struct sock {
    uv_poll_t poll;
    struct transfers *owner;
    int fd;
    int wanted; // UV_READABLE, UV_WRITABLE: what libcurl waits for
    int armed;  // what the poll handle waits for
};

struct transfers {
    uv_loop_t *loop;
    uv_timer_t timer;
    CURLM *multi;
    const struct config *config; // borrowed
    transfer_done done;
    void *data;
    struct sock **socks; // by file descriptor
    size_t n_socks;
    struct transfer *free_list;
    size_t n_inflight;
};

// --- sockets ---

static struct sock *sock_find(const struct transfers *ts, curl_socket_t fd)
{
    return (size_t)fd < ts->n_socks ? ts->socks[fd] : NULL;
}

static void reap(struct transfers *ts);

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sock *s = poll->data;
    struct transfers *ts = s->owner;
    int flags = 0;
    int n_running;

    if (s->wanted == 0) { // the receiver closed a connection that rests
        uv_poll_stop(poll);
        s->armed = 0;
        return;
    }
    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if ((events & UV_READABLE) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(ts->multi, s->fd, flags, &n_running);
    reap(ts);
}

static struct sock *sock_add(struct transfers *ts, curl_socket_t fd)
{
    struct sock *s = xcalloc(1, sizeof(*s));

    if ((size_t)fd >= ts->n_socks) {
        size_t n = (size_t)fd * 2 + 64;

        ts->socks = xrealloc(ts->socks, n * sizeof(struct sock *));
        memset(ts->socks + ts->n_socks, 0,
               (n - ts->n_socks) * sizeof(struct sock *));
        ts->n_socks = n;
    }
    s->owner = ts;
    s->fd = fd;
    if (uv_poll_init_socket(ts->loop, &s->poll, fd) != 0)
        log_panic("socket cannot be watched", "fd=%d", fd);
    s->poll.data = s;
    ts->socks[fd] = s;
    return s;
}

static void on_sock_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void arm(struct sock *s)
{
    // Readable stays armed while nobody waits: the next transfer will.
    int events = s->wanted == 0 ? s->armed & UV_READABLE : s->wanted;

    if (events == s->armed)
        return;
    s->armed = events;
    if (events == 0) {
        uv_poll_stop(&s->poll);
    } else {
        uv_poll_start(&s->poll, events, on_poll);
    }
}

// CURLMOPT_SOCKETFUNCTION
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
                     void *socket_data)
{
    struct transfers *ts = data;
    struct sock *s = sock_find(ts, fd);

    (void)easy;
    (void)socket_data;
    if (s == NULL) {
        if (what == CURL_POLL_REMOVE)
            return 0;
        s = sock_add(ts, fd);
    }
    s->wanted = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        s->wanted |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        s->wanted |= UV_WRITABLE;
    arm(s);
    return 0;
}

// CURLOPT_CLOSESOCKETFUNCTION
static int on_close_socket(void *data, curl_socket_t fd)
{
    struct transfers *ts = data;
    struct sock *s = sock_find(ts, fd);

    if (s != NULL) {
        ts->socks[fd] = NULL;
        uv_close((uv_handle_t *)&s->poll, on_sock_closed);
    }
    return close(fd);
}

// CURLOPT_OPENSOCKETFUNCTION: the gate that every connect goes through, after
// name resolution.
static curl_socket_t on_open_socket(void *data, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    struct transfer *t = data;
    const struct config *c = t->owner->config;

    if (purpose != CURLSOCKTYPE_IPCXN ||
        !guard_permits(&address->addr, c->endpoint_allow,
                       c->n_endpoint_allow)) {
        t->was_blocked = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}

// --- timers ---

static void on_timer(uv_timer_t *timer)
{
    struct transfers *ts = timer->data;
    int n_running;

    curl_multi_socket_action(ts->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
    reap(ts);
}

// CURLMOPT_TIMERFUNCTION
static int on_curl_timer(CURLM *multi, long wait_ms, void *data)
{
    struct transfers *ts = data;

    (void)multi;
    if (wait_ms < 0) {
        uv_timer_stop(&ts->timer);
    } else {
        uv_timer_start(&ts->timer, on_timer, (uint64_t)wait_ms, 0);
    }
    return 0;
}

// --- the response ---

static void end_header_block(struct transfer *t)
{
    long status = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200)
        t->has_header_block = true;
}

// CURLOPT_HEADERFUNCTION: one line at a time, with its line end.
// NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type
static size_t on_header(char *at, size_t one, size_t n_bytes, void *data)
{
    struct transfer *t = data;
    struct str line = { at, n_bytes };

    (void)one;
    if (++t->n_response_lines > RESPONSE_LINES_MAX)
        return 0;
    if (t->has_header_block)
        return n_bytes; // a trailer
    if (str_starts(line, STR("HTTP/"))) {
        buf_reset(&t->response_headers);
        return n_bytes;
    }
    while (line.n_bytes > 0 && (line.at[line.n_bytes - 1] == '\n' ||
                                line.at[line.n_bytes - 1] == '\r'))
        line.n_bytes--;
    if (line.n_bytes == 0) {
        end_header_block(t);
        return n_bytes;
    }
    buf_put_str(&t->response_headers, line);
    buf_puts(&t->response_headers, "\r\n");
    return t->response_headers.overflow ? 0 : n_bytes;
}

// CURLOPT_WRITEFUNCTION: keeps what fits, then ends the transfer.
static size_t on_body(char *at, size_t one, size_t n_bytes, void *data)
{
    struct transfer *t = data;
    size_t room_bytes = RESPONSE_BODY_MAX_BYTES - t->response_body.n_bytes;

    (void)one;
    if (n_bytes <= room_bytes) {
        buf_put(&t->response_body, at, n_bytes);
        return n_bytes;
    }
    buf_put(&t->response_body, at, room_bytes);
    t->is_truncated = true;
    return 0;
}

// --- the outcome ---

static enum error_class class_of(CURLcode code)
{
    switch ((int)code) { // libcurl's list is open: others are protocol
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return ERROR_DNS;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
        return ERROR_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
        return ERROR_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return ERROR_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return ERROR_RESET;
    default:
        return ERROR_PROTOCOL;
    }
}

static int64_t time_of(CURL *easy, CURLINFO which)
{
    curl_off_t us = 0;

    curl_easy_getinfo(easy, which, &us);
    return us;
}

static struct timing timing_of(const struct transfer *t)
{
    long n_new_connections = 0;

    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &n_new_connections);
    return (struct timing){
        .dns_us = time_of(t->easy, CURLINFO_NAMELOOKUP_TIME_T),
        .connect_us = time_of(t->easy, CURLINFO_CONNECT_TIME_T),
        .tls_us = time_of(t->easy, CURLINFO_APPCONNECT_TIME_T),
        .first_byte_us = time_of(t->easy, CURLINFO_STARTTRANSFER_TIME_T),
        .total_us = time_of(t->easy, CURLINFO_TOTAL_TIME_T),
        .reused_connection = t->has_header_block && n_new_connections == 0,
    };
}

static void judge(const struct transfer *t, CURLcode code,
                  struct outcome *outcome)
{
    long status = 0;

    if (t->has_header_block) {
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        outcome->response_code = (uint16_t)status;
        outcome->truncated = t->is_truncated || code != CURLE_OK;
        return;
    }
    outcome->error = class_of(code);
    outcome->error_message =
        str_of(t->message[0] != '\0' ? t->message : curl_easy_strerror(code));
    if (t->was_blocked && outcome->error == ERROR_CONNECT) {
        outcome->error = ERROR_BLOCKED;
        outcome->error_message =
            STR("the address is private, loopback or otherwise special; "
                "endpoint_allow does not name it");
    }
    if (code == CURLE_OK) {
        outcome->error = ERROR_PROTOCOL;
        outcome->error_message = STR("no complete response");
    }
    if (outcome->error_message.n_bytes > ERROR_MESSAGE_MAX_BYTES)
        outcome->error_message.n_bytes = ERROR_MESSAGE_MAX_BYTES;
}

static void finish(struct transfer *t, CURLcode code)
{
    struct transfers *ts = t->owner;
    struct outcome outcome = {
        .no = t->no,
        .started_at_us = t->started_at_us,
        .timing = timing_of(t),
        .response_headers = buf_str(&t->response_headers),
        .response_body = buf_str(&t->response_body),
    };

    judge(t, code, &outcome);
    curl_multi_remove_handle(ts->multi, t->easy);
    ts->n_inflight--;
    ts->done(ts->data, &outcome);
    t->next_free = ts->free_list; // after the call: it borrows from t
    ts->free_list = t;
}

static void reap(struct transfers *ts)
{
    CURLMsg *msg;
    int n_left;

    while ((msg = curl_multi_info_read(ts->multi, &n_left)) != NULL) {
        CURLcode code = msg->data.result; // msg is gone after the removal
        char *t = NULL;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
        finish((struct transfer *)(void *)t, code);
    }
}

// --- starting ---

#define SET(easy, option, value)                                          \
    do {                                                                  \
        CURLcode set_code = curl_easy_setopt(easy, option, value);        \
        if (set_code != CURLE_OK)                                         \
            log_panic("libcurl refuses an option", "option=%s reason=%s", \
                      #option,                                            \
                      log_quote(str_of(curl_easy_strerror(set_code))));   \
    } while (0)

static void set_callbacks(struct transfer *t)
{
    struct transfers *ts = t->owner;
    CURL *easy = t->easy;

    SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(easy, CURLOPT_OPENSOCKETDATA, t);
    SET(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(easy, CURLOPT_CLOSESOCKETDATA, ts);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, t);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, t);
}

// Verification has no switch: there is no setting that turns it off.
static void set_tls_options(struct transfer *t)
{
    struct transfers *ts = t->owner;
    CURL *easy = t->easy;

    SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (ts->config->ca_file[0] != '\0')
        SET(easy, CURLOPT_CAINFO, ts->config->ca_file);
}

static void set_connection_options(CURL *easy)
{
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_PATH_AS_IS, 1L);
    SET(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(easy, CURLOPT_TCP_NODELAY, 1L);
    SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_S);
    SET(easy, CURLOPT_MAXAGE_CONN, CONNECTION_IDLE_S);
    SET(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
}

// What is the same for every attempt.
// NOLINTNEXTLINE(readability-function-size): libcurl's macros count as code
static void set_fixed_options(struct transfer *t)
{
    CURL *easy = t->easy;

    SET(easy, CURLOPT_PRIVATE, (char *)t);
    SET(easy, CURLOPT_ERRORBUFFER, t->message);
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_PROXY, ""); // nothing from the environment
    SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    SET(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(easy, CURLOPT_USERAGENT, USER_AGENT);
    SET(easy, CURLOPT_POST, 1L);
}

static struct transfer *transfer_new(struct transfers *ts)
{
    struct transfer *t = xcalloc(1, sizeof(*t));

    t->owner = ts;
    t->easy = curl_easy_init();
    if (t->easy == NULL)
        log_panic("no easy handle", "");
    buf_init(&t->copy, 0);
    buf_init(&t->response_headers, RESPONSE_HEADERS_MAX_BYTES);
    buf_init(&t->response_body, RESPONSE_BODY_MAX_BYTES);
    set_fixed_options(t);
    set_connection_options(t->easy);
    set_tls_options(t);
    set_callbacks(t);
    return t;
}

// The list's nodes lie in the transfer and point into the copy: no allocation,
// and libcurl does not free a list that it was lent. libcurl's own "Expect:
// 100-continue" is switched off by an empty one.
static struct curl_slist *link_headers(struct transfer *t, char *at,
                                       size_t n_bytes)
{
    static char no_expect[] = "Expect:";
    size_t n = 0;

    t->headers[n++].data = no_expect;
    for (const char *end = at + n_bytes; at < end && n < HEADERS_MAX;
         at += strlen(at) + 1)
        t->headers[n++].data = at;
    for (size_t i = 0; i < n; i++)
        t->headers[i].next = i + 1 < n ? &t->headers[i + 1] : NULL;
    return t->headers;
}

static void set_order(struct transfer *t, const struct order *order)
{
    struct buf *copy = &t->copy;
    size_t headers_at = order->url.n_bytes + 1;
    size_t body_at = headers_at + order->headers.n_bytes;

    buf_reset(copy);
    buf_put_str(copy, order->url);
    buf_putc(copy, '\0');
    buf_put_str(copy, order->headers);
    buf_put_str(copy, order->body);
    SET(t->easy, CURLOPT_HTTPHEADER,
        link_headers(t, copy->at + headers_at, order->headers.n_bytes));
    SET(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)order->body.n_bytes);
    SET(t->easy, CURLOPT_POSTFIELDS, copy->at + body_at); // makes it a POST
    if (order->is_get)
        SET(t->easy, CURLOPT_HTTPGET, 1L);
    SET(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)order->connect_timeout_ms);
    SET(t->easy, CURLOPT_TIMEOUT_MS, (long)order->request_timeout_ms);
}

static struct transfer *take_transfer(struct transfers *ts)
{
    struct transfer *t = ts->free_list;

    if (t == NULL)
        return transfer_new(ts);
    ts->free_list = t->next_free;
    return t;
}

void transfers_start(struct transfers *ts, const struct order *order)
{
    struct transfer *t = take_transfer(ts);
    CURLcode url_code;
    CURLMcode code;

    t->no = order->no;
    t->started_at_us = clock_now_us();
    t->n_response_lines = 0;
    t->has_header_block = false;
    t->is_truncated = false;
    t->was_blocked = false;
    t->message[0] = '\0';
    buf_reset(&t->response_headers);
    buf_reset(&t->response_body);
    set_order(t, order);
    ts->n_inflight++;
    url_code = curl_easy_setopt(t->easy, CURLOPT_URL, t->copy.at);
    code = curl_multi_add_handle(ts->multi, t->easy);
    if (url_code != CURLE_OK || code != CURLM_OK) {
        log_panic("attempt cannot be started", "reason=%s",
                  curl_multi_strerror(code));
    }
}

struct transfers *transfers_new(struct uv_loop_s *loop,
                                const struct config *config, transfer_done done,
                                void *data)
{
    struct transfers *ts = xcalloc(1, sizeof(*ts));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        log_fatal("libcurl cannot start", "");
    ts->loop = loop;
    ts->config = config;
    ts->done = done;
    ts->data = data;
    ts->multi = curl_multi_init();
    if (ts->multi == NULL)
        log_fatal("libcurl cannot start", "");
    uv_timer_init(loop, &ts->timer);
    ts->timer.data = ts;
    curl_multi_setopt(ts->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(ts->multi, CURLMOPT_SOCKETDATA, ts);
    curl_multi_setopt(ts->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(ts->multi, CURLMOPT_TIMERDATA, ts);
    curl_multi_setopt(ts->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    // Kept connections: as many as attempts may run, twice over.
    curl_multi_setopt(ts->multi, CURLMOPT_MAXCONNECTS,
                      (long)config->max_inflight * 2);
    return ts;
}

void transfers_reload(struct transfers *ts, const struct config *config)
{
    ts->config = config;
}

size_t transfers_n_inflight(const struct transfers *ts)
{
    return ts->n_inflight;
}
