// SPDX-License-Identifier: MIT
// transfer.c — makes HTTP attempts: libcurl's multi interface on a libuv loop.
//
// Happy path: an order is copied into a free transfer. If a connection of HTTP/1.1 is kept,
// exchange.c speaks on it; else libcurl makes one, by a handle that keeps its options from
// the last use. What may become HTTP/2, and what goes through a proxy or has a client
// certificate, is libcurl's from beginning to end: header and body come through callbacks.
// The outcome goes to the owner and the transfer back to the free list.
//
// If it fails: libcurl's code becomes an error class. A kept connection that the
// receiver closed before it answered a byte is no failure: there is one more try,
// on a fresh connection. A body that does not end in time is cut, if there is a
// complete header block.
//
// The address of the receiver is checked twice: before a socket is made for it, and
// again as the peer of the connection, new or kept, before a request leaves. With a
// proxy all connections are to the proxy, which the settings name.

#include "engine/sender/transfer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "engine/sender/local_addresses.h"
#include "engine/sender/private.h"

#define BODY_GRACE_US    INT64_C(5000000) // after the header block
#define CHUNK_BYTES      ((size_t)64 * 1024)
#define LOOK_MS          250
#define TRIES_MAX        2
#define HTTP_MISDIRECTED 421

// --- permitted addresses ---

static bool permits(struct transfer *t, const struct sockaddr *address,
                    bool is_self)
{
    struct transfers *ts = t->owner;
    enum address_guard_verdict verdict;

    if (has_proxy(ts))
        return true;
    verdict =
        address_guard_check(address, is_self, local_addresses_rules(ts->local));
    if (verdict == ADDRESS_PERMITTED)
        return true;
    t->was_blocked = true;
    t->was_port = verdict == ADDRESS_PORT_REFUSED;
    return false;
}

// Whether the kernel would keep what is sent to this address on this machine: then it
// chooses the address itself as the source address. Connecting a datagram socket sends
// nothing.
static bool is_self(const struct sockaddr *address, socklen_t n_bytes)
{
    struct sockaddr_storage local;
    socklen_t n_local = sizeof(local);
    int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_so;

    if (fd < 0)
        return false; // the peer is checked again before a request leaves
    is_so = connect(fd, address, n_bytes) == 0 &&
            getsockname(fd, (struct sockaddr *)&local, &n_local) == 0 &&
            address_guard_same(address, (const struct sockaddr *)&local);
    close(fd);
    return is_so;
}

// CURLOPT_OPENSOCKETFUNCTION: every connect goes through here, after name
// resolution.
static curl_socket_t on_open_socket(void *data, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    struct transfer *t = data;
    int fd;

    if (purpose != CURLSOCKTYPE_IPCXN ||
        !permits(t, &address->addr,
                 !has_proxy(t->owner) &&
                     is_self(&address->addr, address->addrlen)))
        return CURL_SOCKET_BAD;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                address->protocol);
    if (fd >= 0)
        transfer_new_socket(t->owner, fd);
    if (fd < 0 && errno != EAFNOSUPPORT) { // a machine without IPv6 is no fault
        t->is_ours = true;
        log_warn("a socket for an attempt cannot be opened", "reason=%s",
                 log_quote(str_of(strerror(errno))));
    }
    return fd;
}

// Sets whether libcurl must make a new connection instead of using a kept one.
static void want_fresh(struct transfer *t, bool wants)
{
    if (wants != t->wants_fresh)
        SET(t->easy, CURLOPT_FRESH_CONNECT, wants ? 1L : 0L);
    t->wants_fresh = wants;
}

// CURLOPT_PREREQFUNCTION: also called for kept connections, which may have been made
// under other rules. NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type
static int on_request_ready(void *data, char *peer, char *local, int peer_port,
                            int local_port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)peer_port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)peer_port) };
    const struct sockaddr *address = NULL;
    struct transfer *t = data;

    (void)local_port;
    want_fresh(t, true); // for the case that libcurl itself tries again
    t->message[0] =
        '\0'; // of an address or connection that was given up before
    if (++t->n_tries > TRIES_MAX) { // libcurl would try five times
        t->was_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1) {
        address = (const struct sockaddr *)&v4;
    } else if (inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1) {
        address = (const struct sockaddr *)&v6;
    } else if (*peer == '\0') {
        t->was_gone = true;
    } else {
        t->was_blocked = true; // unknown address format: refuse
    }
    // Both texts were made by inet_ntop().
    t->is_self = strcmp(peer, local) == 0;
    if (address == NULL || !permits(t, address, t->is_self))
        return CURL_PREREQFUNC_ABORT;
    memcpy(&t->peer, address,
           address->sa_family == AF_INET ? sizeof(v4) : sizeof(v6));
    tls_look(t);
    return CURL_PREREQFUNC_OK;
}

// --- beginning ---

static void set_callbacks(struct transfer *t)
{
    struct transfers *ts = t->owner;
    CURL *easy = t->easy;

    SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(easy, CURLOPT_OPENSOCKETDATA, t);
    SET(easy, CURLOPT_CLOSESOCKETFUNCTION, transfer_close_socket);
    SET(easy, CURLOPT_CLOSESOCKETDATA, ts);
    SET(easy, CURLOPT_PREREQFUNCTION, on_request_ready);
    SET(easy, CURLOPT_PREREQDATA, t);
    transfer_expect(t);
}

// Makes a handle for a transfer that has none: a connection may have taken it.
static void need_handle(struct transfer *t)
{
    if (t->easy != NULL)
        return;
    t->easy = curl_easy_init();
    if (t->easy == NULL)
        log_panic("a libcurl handle cannot be made", "");
    t->share = NULL;
    t->wants_fresh = false;
    t->connects_only = false;
    t->forbids_reuse = false;
    t->has_certificate = false;
    options_init(t);
    set_callbacks(t);
}

// An earlier response may have forbidden it.
static void allow_reuse(struct transfer *t)
{
    if (t->forbids_reuse)
        SET(t->easy, CURLOPT_FORBID_REUSE, 0L);
    t->forbids_reuse = false;
}

static void set_http_version(struct transfer *t, long http_version)
{
    if (http_version != t->http_version)
        SET(t->easy, CURLOPT_HTTP_VERSION, http_version);
    t->http_version = http_version;
    if (is_tls(t))
        tls_share(t, endpoint_name(str_of(t->copy.at)));
}

// Prepares a connection for exchange.c.
static void set_connection(struct transfer *t)
{
    need_handle(t);
    allow_reuse(t); // else libcurl closes the connection at once
    SET(t->easy, CURLOPT_HTTPHEADER, NULL); // of an earlier attempt
    options_clear_certificate(t);
    set_http_version(t, CURL_HTTP_VERSION_1_1);
    if (is_tls(t))
        t->lane = lane_alone(t->owner);
}

// Has libcurl make the attempt, or only its connection. The URL is that in the copy.
static void begin(struct transfer *t)
{
    CURLcode url_code;
    CURLMcode code;

    if (t->uses_exchange)
        set_connection(t);
    if (t->uses_exchange != t->connects_only)
        SET(t->easy, CURLOPT_CONNECT_ONLY, t->uses_exchange ? 1L : 0L);
    t->connects_only = t->uses_exchange;
    SET(t->easy, CURLOPT_CONNECTTIMEOUT_MS, t->connect_timeout_ms);
    SET(t->easy, CURLOPT_TIMEOUT_MS, t->request_timeout_ms);
    url_code = curl_easy_setopt(t->easy, CURLOPT_URL, t->copy.at);
    code = curl_multi_add_handle(t->lane->multi, t->easy);
    if (url_code != CURLE_OK || code != CURLM_OK) {
        log_panic("an attempt cannot be started", "reason=%s",
                  curl_multi_strerror(code));
    }
}

// The attempt has ended, or its first try: libcurl lets go of it.
static void let_go(struct transfer *t)
{
    struct lane *lane = t->lane;

    curl_multi_remove_handle(lane->multi, t->easy);
    t->lane = lane->is_alone ? t->owner->common : lane;
    if (lane->is_alone)
        lane_unwatch(lane);
}

// --- ending ---

// Whether any byte of a response came, even if no whole line. For HTTP/2, libcurl counts
// the frames that belong to no response.
static bool has_first_byte(const struct transfer *t)
{
    curl_off_t us = 0;

    if (t->is_http2)
        return t->n_response_lines > 0;
    curl_easy_getinfo(t->easy, CURLINFO_STARTTRANSFER_TIME_T, &us);
    return us > 0;
}

// A kept connection that ends before a byte was answered was most likely closed by the
// receiver while it was idle, before the receiver saw the request: there is one more
// try, on a fresh connection. Once a byte came, it is unknown what was done with the
// request. (libcurl itself does the same if it notices by reading.)
static bool was_stale(const struct transfer *t, CURLcode code)
{
    long n_new_connections = 0;

    if (t->has_exchange) {
        return t->is_reused && !t->response.has_byte &&
               (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR ||
                code == CURLE_SEND_ERROR);
    }
    if (t->is_second_try || t->n_tries >= TRIES_MAX || t->n_response_lines > 0)
        return false;
    if (code == CURLE_HTTP2)
        return receiver_leaves(t, code) && !has_first_byte(t);
    if (code != CURLE_GOT_NOTHING && code != CURLE_SEND_ERROR &&
        code != CURLE_RECV_ERROR && code != CURLE_PARTIAL_FILE)
        return false;
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &n_new_connections);
    return n_new_connections == 0 && !has_first_byte(t);
}

static void try_again(struct transfer *t)
{
    t->is_second_try = true;
    t->message[0] = '\0';
    if (t->has_exchange) {
        exchange_leave(t, false);
        t->has_exchange = false;
        t->n_tries = 0; // of the new connection
    } else {
        want_fresh(t, true);
        let_go(t);
    }
    begin(t);
}

// Whether the connection may carry further requests: not if there was no response, if it
// was cut, or if the receiver says that it is not for this connection.
static bool is_sound_end(const struct outcome *outcome)
{
    return outcome->response_code != 0 && !outcome->truncated &&
           outcome->response_code != HTTP_MISDIRECTED;
}

static void finish(struct transfer *t, CURLcode code)
{
    struct transfers *ts = t->owner;
    struct outcome outcome = transfer_outcome(t, code);
    bool is_sound = is_sound_end(&outcome);

    if (t->has_exchange) {
        exchange_leave(t, is_sound);
    } else {
        // Elsewhere the connection carries other requests, which may still be answered.
        if (!is_sound && t->lane->endpoint == NULL)
            transfer_cut(t);
        let_go(t);
    }
    lane_leave(t, is_sound);
    list_remove(&ts->inflight, &t->node);
    ts->n_inflight--;
    ts->done(ts->data, &outcome);
    list_push_front(&ts->free,
                    &t->node); // after the call, which borrows from t
}

static void on_finished(struct transfer *t, CURLcode code)
{
    if (was_stale(t, code)) {
        try_again(t);
    } else {
        finish(t, code);
    }
}

// libcurl is done with a transfer: it has connected, or the attempt has ended.
static void on_done(struct transfer *t, CURLcode code)
{
    if (code == CURLE_OK && t->uses_exchange) {
        if (exchange_begin(t))
            return;
        t->was_gone = !t->is_ours;
        code = t->is_ours ? CURLE_COULDNT_CONNECT : CURLE_RECV_ERROR;
    }
    on_finished(t, code);
}

static void reap(struct lane *lane)
{
    bool is_last = false;
    CURLMsg *msg;
    int n_left;

    while (!is_last &&
           (msg = curl_multi_info_read(lane->multi, &n_left)) != NULL) {
        CURLcode code = msg->data.result; // msg is gone after the removal
        char *t = NULL;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
        is_last = lane->is_alone; // and will be gone
        on_done((struct transfer *)(void *)t, code);
    }
}

static void on_look_timer(uv_timer_t *timer)
{
    struct transfers *ts = timer->data;
    int64_t now_us = clock_mono_us();
    int64_t before_us = now_us - BODY_GRACE_US;
    struct transfer *next;

    for (struct transfer *t = LIST_FIRST(&ts->inflight, struct transfer, node);
         t != NULL; t = next) {
        next = LIST_NEXT(t, struct transfer, node);
        if (t->has_header_block && t->headers_at_us < before_us)
            finish(t, CURLE_OPERATION_TIMEDOUT); // closes the connection
    }
    sockets_look(ts);
    connections_look(ts, now_us);
    lanes_look(ts, now_us);
}

// --- starting ---

static struct transfer *transfer_new(struct transfers *ts)
{
    struct transfer *t = xcalloc(1, sizeof(*t));

    t->owner = ts;
    buf_init(&t->copy, 0);
    buf_init(&t->response_headers, RESPONSE_HEADERS_MAX_BYTES);
    buf_init(&t->response_body, RESPONSE_BODY_MAX_BYTES);
    exchange_init(t);
    return t;
}

static struct transfer *take_transfer(struct transfers *ts)
{
    struct transfer *t = LIST_FIRST(&ts->free, struct transfer, node);

    if (t == NULL) {
        t = transfer_new(ts);
    } else {
        list_remove(&ts->free, &t->node);
    }
    list_push_front(&ts->inflight, &t->node);
    ts->n_inflight++;
    return t;
}

static void forget_last(struct transfer *t)
{
    t->is_second_try = false;
    t->is_unclear = false;
    t->has_exchange = false;
    t->is_reused = false;
    t->started_at_us = clock_now_us();
    t->begun_at_us = clock_mono_us();
    t->first_line_at_us = 0;
    t->headers_at_us = 0;
    t->is_http2 = false;
    t->n_connections = 0;
    t->n_tries = 0;
    t->was_refused = false;
    t->n_response_lines = 0;
    t->n_length_headers = 0;
    t->has_encoding_header = false;
    t->has_header_block = false;
    t->is_truncated = false;
    t->was_blocked = false;
    t->was_port = false;
    t->was_gone = false;
    t->is_ours = false;
    t->message[0] = '\0';
    buf_reset(&t->response_headers);
    buf_reset(&t->response_body);
}

// Whether exchange.c speaks the order's request. libcurl speaks what may become HTTP/2,
// with a proxy, and with a client certificate, for which it chooses the connections.
static bool suits_exchange(const struct transfers *ts,
                           const struct order *order)
{
    return !has_proxy(ts) && order->client_cert.n_bytes == 0 &&
           (str_starts(order->url, STR("http://")) ||
            (str_starts(order->url, STR("https://")) && !ts->offers_http2));
}

// A kept connection may have been made under other rules.
static bool may_reuse(struct transfer *t, const struct connection *c)
{
    bool is_permitted =
        permits(t, (const struct sockaddr *)&c->peer, c->is_self);

    t->was_blocked = false; // a new connection is judged by itself
    return is_permitted;
}

// Has libcurl make the whole attempt.
static void start_whole(struct transfer *t, const struct order *order)
{
    long http_version;

    need_handle(t);
    want_fresh(t, false);
    allow_reuse(t);
    options_set(t, order);
    t->lane = lane_of(t->owner, order, &http_version);
    lane_enter(t->lane, order);
    set_http_version(t, http_version);
    begin(t);
}

void transfers_start(struct transfers *ts, const struct order *order)
{
    struct transfer *t = take_transfer(ts);

    forget_last(t);
    t->no = order->no;
    t->connect_timeout_ms = (long)order->connect_timeout_ms;
    t->request_timeout_ms = (long)order->request_timeout_ms;
    t->uses_exchange = suits_exchange(ts, order);
    if (!t->uses_exchange) {
        start_whole(t, order);
        return;
    }
    exchange_prepare(t, order);
    t->lane = ts->common;
    lane_enter(t->lane, order);
    if (!exchange_reuse(t, may_reuse))
        begin(t);
}

// Reads ca_file once, while it can be opened: a sender is sandboxed later. The file was
// checked at the start of the engine.
static void read_authorities(struct transfers *ts)
{
    FILE *file;
    struct buf text;
    size_t n;

    if (ts->config->ca_file[0] == '\0')
        return;
    file = fopen(ts->config->ca_file, "re");
    if (file == NULL) {
        log_fatal("ca_file cannot be read", "");
        return;
    }
    buf_init(&text, 0);
    while ((n = fread(buf_reserve(&text, CHUNK_BYTES), 1, CHUNK_BYTES, file)) >
           0)
        buf_added(&text, n);
    fclose(file);
    ts->authorities.data = buf_take(&text, &n);
    ts->authorities.len = n;
    ts->authorities.flags = CURL_BLOB_NOCOPY;
}

// A libcurl that was built without HTTP/2 refuses the option.
static bool offers_http2(const struct config *config)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    return strcmp(config->http2, "on") == 0 &&
           (info->features & CURL_VERSION_HTTP2) != 0;
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
    ts->offers_http2 = offers_http2(config);
    ts->done = done;
    ts->reap = reap;
    ts->ended = on_finished;
    ts->data = data;
    tls_start();
    exchange_start(ts);
    ts->local = local_addresses_new(config);
    read_authorities(ts);
    lanes_start(ts);
    uv_timer_init(loop, &ts->look_timer);
    ts->look_timer.data = ts;
    uv_timer_start(&ts->look_timer, on_look_timer, LOOK_MS, LOOK_MS);
    return ts;
}

void transfers_reload(struct transfers *ts, const struct config *config)
{
    ts->config = config;
    ts->offers_http2 = offers_http2(config);
    local_addresses_reload(ts->local, config);
}

size_t transfers_n_inflight(const struct transfers *ts)
{
    return ts->n_inflight;
}
