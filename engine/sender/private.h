// SPDX-License-Identifier: MIT
// private.h — the inside of transfer*.c.
//
//   transfer.c           starting and ending attempts
//   transfer_options.c   the options of libcurl's handles
//   exchange.c           HTTP/1.1: request out, response in
//   connection.c         its connections
//   lanes.c              which connections an attempt may use
//   tls_sessions.c       sessions that are resumed, and counts of handshakes
//   transfer_sockets.c   libcurl's sockets and timer on libuv's loop
//   transfer_response.c  the response, and the outcome made from it
//   transfer_error.c     the error of an attempt that got no answer

#ifndef ENGINE_SENDER_PRIVATE_H
#define ENGINE_SENDER_PRIVATE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/hash_map.h"
#include "common/base/list.h"
#include "common/config/config.h"
#include "common/messages/send_order.h"
#include "engine/sender/address_guard.h"
#include "engine/sender/http1_response.h"

#define USER_AGENT  "posthorn/" POSTHORN_VERSION
#define HEADERS_MAX 64 // headers of a request
#define SHARES      64
#define RESPONSE_ROOM_BYTES \
    (INT64_C(256) << 10) // more than is read of a response
#define FLOOD_BYTES \
    (INT64_C(4) << 20) // more than all of it that a connection needs
#define CONNECTION_IDLE_S 60L
#define CONNECTION_LIFE_S 300L

#define ANY_SOCKET (-1)

struct endpoint;
struct local_addresses;
struct sock;

// How a connection ended, as far as this process saw it.
struct ending {
    bool has_closed;   // the receiver ended the stream, or it was reset
    bool has_flooded;  // it brought too much, and was ended here
    bool is_own_alert; // this side sent the alert
    uint8_t alert;     // the TLS alert that ended it; 0: none
};

// Connections of their own, and the attempts that use them. In the common lane every
// connection carries one request at a time. In each other lane, requests of one hook
// to one endpoint share connections by HTTP/2.
struct lane {
    struct list_node node; // in its endpoint's list
    struct transfers *owner;
    CURLM *multi;
    uv_timer_t timer;
    struct endpoint *endpoint; // NULL: this is the common lane
    uint64_t hook_no;          // of the attempts in flight, or of the last one
    size_t n_inflight;
    size_t n_connections; // open ones
    int64_t made_at_us;   // monotonic, like the others
    int64_t used_at_us;
    int64_t credit_bytes; // how much its connections may bring
    struct ending
        ending;      // of any of its connections, if it is not the common one
    bool is_proven;  // a response came: the receiver's limits are known
    bool is_slow;    // an attempt has been in flight for long
    bool is_retired; // gets no more attempts
    bool has_certificate; // of the hook's own
    bool is_alone;        // of one connection
};

// A connection of HTTP/1.1, which carries one request at a time.
struct connection {
    struct list_node node;   // of its origin's idle ones
    struct list_node by_age; // of all idle ones
    uv_poll_t poll;
    struct transfers *owner;
    struct origin *origin;
    struct transfer *transfer; // NULL: it is idle
    CURL *easy;                // libcurl's handle, for TLS; NULL: none
    struct lane *lane;         // of `easy` alone
    struct sockaddr_storage peer;
    int64_t made_at_us; // monotonic, like the next one
    int64_t idle_since_us;
    int fd;
    int armed;             // what the poll handle waits for
    unsigned n_idle_reads; // times that something came while it was idle
    bool is_idle;
    bool is_self; // the peer has the address of this end
};

struct transfer {
    struct transfers *owner;
    struct lane *lane;
    struct list_node node; // in flight, or free
    CURL *easy;            // NULL: none yet
    uint64_t no;
    int64_t started_at_us;
    int64_t begun_at_us;      // monotonic, like the next two; 0: not yet
    int64_t first_line_at_us; // of a response
    int64_t headers_at_us;    // a whole header block
    struct buf copy;          // URL, headers and body of the order
    struct curl_slist headers[HEADERS_MAX];
    struct buf response_headers;
    struct buf response_body;
    long n_connections; // new ones that were counted
    long http_version;  // an option of the handle
    CURLSH *share;      // an option of the handle; borrowed
    unsigned n_tries;   // requests that were about to leave
    unsigned n_response_lines;
    unsigned n_length_headers; // of the response
    bool has_encoding_header;  // Transfer-Encoding, of the response
    bool has_header_block;     // a complete one that is not 1xx
    bool is_truncated;
    bool is_unclear;      // where the response ends: the connection is not kept
    bool is_second_try;   // the first try used a kept connection that was dead
    bool wants_fresh;     // an option of the handle: use no kept connection
    bool was_blocked;     // by the address guard
    bool was_port;        // blocked because of the port
    bool was_gone;        // the connection ended before a request could leave
    bool is_http2;        // so is the connection that was last used
    bool was_refused;     // twice, before the receiver looked at the request
    bool is_ours;         // our fault: no socket could be made
    bool has_certificate; // an option of the handle: a client certificate
    bool connects_only;   // an option of the handle: libcurl sends no request
    bool forbids_reuse;   // an option of the handle
    bool uses_exchange;   // HTTP/1.1 that exchange.c speaks
    bool is_self;         // the peer has the address of this end
    struct sockaddr_storage peer; // of the connection that was made last
    long connect_timeout_ms;
    long request_timeout_ms; // since the attempt began
    // What follows is of exchange.c.
    bool has_exchange; // the request was sent, at least in part, by it
    bool is_reused;    // on a kept connection
    bool is_cut;       // the rest of the request cannot be sent
    int send_errno;    // then: why
    bool may_keep;     // the connection is fit for another request
    bool is_turn_over; // there may be more to read than was read
    struct connection *connection; // NULL: none
    struct http1_response response;
    uv_timer_t timer;         // the attempt's time limit
    int64_t first_byte_at_us; // monotonic; 0: none yet
    int64_t dns_us;           // since the attempt began, like the next ones
    int64_t connect_us;
    int64_t tls_us;
    size_t request_at; // in `copy`
    size_t n_sent_bytes;
    char message[CURL_ERROR_SIZE]; // of libcurl, for the log
};

struct transfers {
    uv_loop_t *loop;
    uv_timer_t look_timer;
    struct lane *common; // for endpoints that are not known to speak HTTP/2
    struct hash_map endpoints; // that speak HTTP/2
    size_t n_endpoints;
    size_t n_lanes;              // besides the common one
    long common_max;             // connections that the common lane may keep
    CURLSH *shares[SHARES];      // NULL: not made yet
    const struct config *config; // borrowed
    void (*done)(void *data, const struct outcome *outcome); // transfer_done
    void (*reap)(struct lane *lane); // ends what libcurl has finished
    void (*ended)(struct transfer *t, CURLcode code); // an exchange has ended
    void (*ready)(struct transfer *t, int events);    // its socket is
    void *data;
    struct local_addresses *local;
    struct curl_blob authorities; // of ca_file; data NULL: the system's
    struct sock **socks;          // by file descriptor
    size_t n_socks;
    uint64_t turn_no;       // of calls of libcurl
    struct lane *turn_lane; // whose handle was called last
    int turn_fd;            // the socket for which it was called
    size_t n_turn_bytes;    // that exchanges have read over TLS
    struct ending ending;   // of a connection that ended in this turn
    struct hash_map origins;
    struct list idle; // connections of HTTP/1.1, the oldest first
    size_t n_idle;
    struct list inflight;
    struct list free;
    size_t n_inflight;
    bool offers_http2; // the setting
};

// Sets a libcurl option; panics if libcurl refuses it.
#define SET(easy, option, value)                                          \
    do {                                                                  \
        CURLcode set_code = curl_easy_setopt(easy, option, value);        \
        if (set_code != CURLE_OK)                                         \
            log_panic("libcurl refuses an option", "option=%s reason=%s", \
                      #option,                                            \
                      log_quote(str_of(curl_easy_strerror(set_code))));   \
    } while (0)

// lanes.c
// Makes the common lane.
void lanes_start(struct transfers *ts);
// A lane of one connection, which is not in any list. lane_unwatch() frees it.
struct lane *lane_alone(struct transfers *ts);
struct str endpoint_name(struct str url); // the part of a URL that names it
// The lane of an order, and how its request may be spoken (CURLOPT_HTTP_VERSION).
struct lane *lane_of(struct transfers *ts, const struct order *order,
                     long *http_version);
void lane_enter(struct lane *lane, const struct order *order);
// A transfer of the lane has ended, and libcurl has let go of it. `is_sound`: there was a
// whole response.
void lane_leave(struct transfer *t, bool is_sound);
// A response has begun.
void lane_answered(struct transfer *t);
// Marks slow lanes, and frees lanes that are not used any more, or that keep more
// connections than may be kept. Called some times a second, outside of libcurl.
void lanes_look(struct transfers *ts, int64_t now_us);

// transfer_sockets.c
void lane_watch(struct lane *lane);   // sets the callbacks of `multi`
void lane_unwatch(struct lane *lane); // frees the lane, soon
// Called some times a second, outside of libcurl.
void sockets_look(struct transfers *ts);
// Ends the connection that a transfer used, if libcurl would keep it. Called while libcurl
// still has the transfer.
void transfer_cut(struct transfer *t);
// How the transfer's connection ended. A turn calls libcurl for one socket, so if any
// connection ended in it, that of the transfers which end in it did. The transfers that
// share a connection of HTTP/2 may end later: their lane remembers it.
const struct ending *ending_of(const struct transfer *t);
// TLS ended with this alert, which is fatal, on the connection that is just read.
void ending_alert(unsigned alert, bool is_own);
// libcurl will be called for this socket, or ANY_SOCKET, or exchange.c uses it: what was
// seen of connections before is forgotten.
void turn_begin(struct lane *lane, int fd);
// A socket was just made for libcurl.
void transfer_new_socket(struct transfers *ts, curl_socket_t fd);
int transfer_close_socket(void *data, curl_socket_t fd); // data: the transfers

// tls_sessions.c
// Has the transfer use the TLS sessions that are kept for an endpoint.
void tls_share(struct transfer *t, struct str endpoint);
// Looks at the connection that a request is about to use: sets `is_http2`, and counts the
// connection if it is new.
void tls_look(struct transfer *t);
void tls_start(void); // before the first transfer

// transfer_error.c
// Whether the receiver has said by HTTP/2 that it leaves before it looks at the request.
// libcurl uses the same code when what came is no valid HTTP/2, but it has something to
// say about that.
bool receiver_leaves(const struct transfer *t, CURLcode code);
// Sets the error's class and sentence; borrowed for ever.
void transfer_explain(const struct transfer *t, CURLcode code,
                      struct outcome *outcome);

// connection.c
// Takes over the connection that libcurl has made for a transfer. NULL: it is gone, or no
// descriptor is left.
struct connection *connection_open(struct transfer *t);
// The kept connection of an origin that was used last. NULL: there is none.
struct connection *connection_take(struct transfers *ts, struct str origin);
void connection_keep(struct connection *c); // for the next request
void connection_close(struct connection *c);
// As send() and recv(), which never wait; EAGAIN: not now.
ssize_t connection_send(struct connection *c, const char *at, size_t n_bytes);
ssize_t connection_receive(struct connection *c, char *room, size_t n_bytes);
// What is seen of the connection's end from here on counts; what was seen before is
// forgotten. Before each use, as for libcurl's.
void connection_turn(struct connection *c);
// What to wait for: UV_READABLE, UV_WRITABLE. The owner's `ready` is called.
void connection_arm(struct connection *c, int events);
// Closes connections that were idle for long. Called some times a second.
void connections_look(struct transfers *ts, int64_t now_us);

// exchange.c
void exchange_start(struct transfers *ts); // before the others
void exchange_init(struct transfer *t);    // once for each transfer
// Writes the request of an order into the transfer's copy.
void exchange_prepare(struct transfer *t, const struct order *order);
// Begins on a kept connection to which `permits` has no objection. False: there is none.
bool exchange_reuse(struct transfer *t,
                    bool (*permits)(struct transfer *t,
                                    const struct connection *c));
// libcurl has connected: takes the connection over, and begins. False: it is gone.
bool exchange_begin(struct transfer *t);
// Ends what was begun. The connection is kept if it can be and `is_sound`.
void exchange_leave(struct transfer *t, bool is_sound);

// transfer_options.c
bool has_proxy(const struct transfers *ts);
bool is_tls(const struct transfer *t); // by its URL
void options_init(
    struct transfer *t); // those that are the same for each attempt
// The request of an order, which is copied, and its client certificate.
void options_set(struct transfer *t, const struct order *order);
void options_clear_certificate(struct transfer *t); // that of an earlier order

// transfer_response.c
// A line of a header block or of a trailer, with its line end; a part of a body. False:
// nothing more is wanted.
bool response_line(struct transfer *t, struct str line);
bool response_body(struct transfer *t, struct str bytes);
void transfer_expect(struct transfer *t); // sets the callbacks, before a start
// The outcome of the attempt; borrowed from the transfer.
struct outcome transfer_outcome(const struct transfer *t, CURLcode code);

#endif
