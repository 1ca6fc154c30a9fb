// SPDX-License-Identifier: MIT
// private.h — the inside of transfer*.c.
//
//   transfer.c           handles and their options, starting and ending
//   lanes.c              which connections an attempt may use
//   tls_sessions.c       sessions that are resumed, and counts of handshakes
//   transfer_sockets.c   libcurl's sockets and timer on libuv's loop
//   transfer_response.c  the response, and the outcome made from it
//   transfer_error.c     the error of an attempt that got no answer

#ifndef ENGINE_SENDER_PRIVATE_H
#define ENGINE_SENDER_PRIVATE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/hash_map.h"
#include "common/base/list.h"
#include "common/config/config.h"
#include "common/messages/send_order.h"

#define HEADERS_MAX 64 // headers of a request
#define SHARES      64
#define RESPONSE_ROOM_BYTES \
    (INT64_C(256) << 10) // more than is read of a response
#define FLOOD_BYTES \
    (INT64_C(4) << 20) // more than all of it that a connection needs
#define CONNECTION_IDLE_S 60L
#define CONNECTION_LIFE_S 300L

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
};

struct transfer {
    struct transfers *owner;
    struct lane *lane;
    struct list_node node; // in flight, or free
    CURL *easy;
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
    bool is_second_try;   // the first try used a kept connection that was dead
    bool wants_fresh;     // an option of the handle: use no kept connection
    bool was_blocked;     // by the address guard
    bool was_port;        // blocked because of the port
    bool was_gone;        // the connection ended before a request could leave
    bool is_http2;        // so is the connection that was last used
    bool was_refused;     // twice, before the receiver looked at the request
    bool is_ours;         // our fault: no socket could be made
    bool has_certificate; // an option of the handle: a client certificate
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
    void *data;
    struct local_addresses *local;
    struct curl_blob authorities; // of ca_file; data NULL: the system's
    struct sock **socks;          // by file descriptor
    size_t n_socks;
    uint64_t turn_no;       // of calls of libcurl
    struct lane *turn_lane; // whose handle was called last
    int turn_fd;            // the socket for which it was called
    struct ending ending;   // of a connection that ended in this turn
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
void connection_cut(struct transfer *t);
// How the transfer's connection ended. A turn calls libcurl for one socket, so if any
// connection ended in it, that of the transfers which end in it did. The transfers that
// share a connection of HTTP/2 may end later: their lane remembers it.
const struct ending *ending_of(const struct transfer *t);
// TLS ended with this alert, which is fatal, on the connection that is just read.
void ending_alert(unsigned alert, bool is_own);
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

// transfer_response.c
void transfer_expect(struct transfer *t); // sets the callbacks, before a start
// The outcome of the attempt; borrowed from the transfer.
struct outcome transfer_outcome(const struct transfer *t, CURLcode code);

#endif
