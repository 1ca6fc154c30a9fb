// SPDX-License-Identifier: MIT
// transfer.c — makes HTTP attempts: libcurl's multi interface on a libuv loop.
//
// Happy path: an order is copied into a free transfer, whose easy handle keeps
// its options from the last use; libcurl takes a kept connection or makes one;
// header and body come through callbacks; the outcome goes to the owner and
// the transfer back to the free list.
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

#define DNS_CACHE_S      30L
#define BODY_GRACE_US    INT64_C(5000000) // after the header block
#define CHUNK_BYTES      ((size_t)64 * 1024)
#define LOOK_MS          250
#define TRIES_MAX        2
#define USER_AGENT       "posthorn/" POSTHORN_VERSION
#define HTTP_MISDIRECTED 421

static bool has_proxy(const struct transfers *ts)
{
    return ts->config->egress_proxy[0] != '\0';
}

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
    if (address == NULL || !permits(t, address, strcmp(peer, local) == 0))
        return CURL_PREREQFUNC_ABORT;
    tls_look(t);
    return CURL_PREREQFUNC_OK;
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
    CURLMcode code;

    t->is_second_try = true;
    t->message[0] = '\0';
    want_fresh(t, true);
    curl_multi_remove_handle(t->lane->multi, t->easy);
    code = curl_multi_add_handle(t->lane->multi, t->easy);
    if (code != CURLM_OK) {
        log_panic("an attempt cannot be started", "reason=%s",
                  curl_multi_strerror(code));
    }
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

    // Elsewhere the connection carries other requests, which may still be answered.
    if (!is_sound && t->lane->endpoint == NULL)
        connection_cut(t);
    curl_multi_remove_handle(t->lane->multi, t->easy);
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

static void reap(struct lane *lane)
{
    CURLMsg *msg;
    int n_left;

    while ((msg = curl_multi_info_read(lane->multi, &n_left)) != NULL) {
        CURLcode code = msg->data.result; // msg is gone after the removal
        char *t = NULL;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
        on_finished((struct transfer *)(void *)t, code);
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
    lanes_look(ts, now_us);
}

// --- starting ---

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

// Verification is always on: there is no setting that turns it off.
static void set_tls_options(struct transfer *t)
{
    struct transfers *ts = t->owner;
    CURL *easy = t->easy;

    SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (ts->authorities.data != NULL)
        SET(easy, CURLOPT_CAINFO_BLOB, &ts->authorities);
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

// Sets the options that are the same for every attempt.
// NOLINTNEXTLINE(readability-function-size): libcurl's macros count as code
static void set_fixed_options(struct transfer *t)
{
    CURL *easy = t->easy;

    SET(easy, CURLOPT_PRIVATE, (char *)t);
    SET(easy, CURLOPT_ERRORBUFFER, t->message);
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    // An empty value: no proxy from the environment. With a proxy, nothing bypasses it.
    SET(easy, CURLOPT_PROXY, t->owner->config->egress_proxy);
    SET(easy, CURLOPT_NOPROXY, has_proxy(t->owner) ? "" : "*");
    SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    SET(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    t->http_version = CURL_HTTP_VERSION_1_1;
    SET(easy, CURLOPT_HTTP_VERSION, t->http_version);
    SET(easy, CURLOPT_USERAGENT, USER_AGENT);
    SET(easy, CURLOPT_POST, 1L);
}

static struct transfer *transfer_new(struct transfers *ts)
{
    struct transfer *t = xcalloc(1, sizeof(*t));

    t->owner = ts;
    t->easy = curl_easy_init();
    if (t->easy == NULL)
        log_panic("a libcurl handle cannot be made", "");
    buf_init(&t->copy, 0);
    buf_init(&t->response_headers, RESPONSE_HEADERS_MAX_BYTES);
    buf_init(&t->response_body, RESPONSE_BODY_MAX_BYTES);
    set_fixed_options(t);
    set_connection_options(t->easy);
    set_tls_options(t);
    set_callbacks(t);
    return t;
}

// The list's nodes are in the transfer and point into the copy: no allocation, and
// libcurl does not free a list that it was lent. An empty "Expect:" switches off
// libcurl's own "Expect: 100-continue".
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

static struct curl_blob blob_of(struct str pem)
{
    // libcurl copies it. NOLINTNEXTLINE(performance-no-int-to-ptr): const away
    return (struct curl_blob){ (void *)(uintptr_t)pem.at, pem.n_bytes,
                               CURL_BLOB_COPY };
}

// Sets or clears the client certificate. libcurl shares no connection between different
// client certificates.
static void set_certificate(struct transfer *t, const struct order *order)
{
    struct curl_blob certificate = blob_of(order->client_cert);
    struct curl_blob key = blob_of(order->client_key);
    bool has_one = order->client_cert.n_bytes > 0;

    if (!has_one && !t->has_certificate)
        return;
    SET(t->easy, CURLOPT_SSLCERT_BLOB, has_one ? &certificate : NULL);
    SET(t->easy, CURLOPT_SSLKEY_BLOB, has_one ? &key : NULL);
    t->has_certificate = has_one;
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
    SET(t->easy, CURLOPT_POSTFIELDS, copy->at + body_at); // also sets POST
    if (order->is_get)
        SET(t->easy, CURLOPT_HTTPGET, 1L);
    SET(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)order->connect_timeout_ms);
    SET(t->easy, CURLOPT_TIMEOUT_MS, (long)order->request_timeout_ms);
    set_certificate(t, order);
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

static void set_lane(struct transfer *t, const struct order *order)
{
    long http_version;

    t->lane = lane_of(t->owner, order, &http_version);
    lane_enter(t->lane, order);
    if (http_version != t->http_version)
        SET(t->easy, CURLOPT_HTTP_VERSION, http_version);
    t->http_version = http_version;
    if (str_starts(order->url, STR("https:")))
        tls_share(t, endpoint_name(order->url));
}

static void forget_last(struct transfer *t)
{
    want_fresh(t, false);
    t->is_second_try = false;
    // An earlier use may have set it.
    if (t->n_length_headers > 0 || t->has_encoding_header)
        SET(t->easy, CURLOPT_FORBID_REUSE, 0L);
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

void transfers_start(struct transfers *ts, const struct order *order)
{
    struct transfer *t = take_transfer(ts);
    CURLcode url_code;
    CURLMcode code;

    forget_last(t);
    t->no = order->no;
    set_order(t, order);
    set_lane(t, order);
    url_code = curl_easy_setopt(t->easy, CURLOPT_URL, t->copy.at);
    code = curl_multi_add_handle(t->lane->multi, t->easy);
    if (url_code != CURLE_OK || code != CURLM_OK) {
        log_panic("an attempt cannot be started", "reason=%s",
                  curl_multi_strerror(code));
    }
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
    ts->data = data;
    tls_start();
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
