// SPDX-License-Identifier: MIT
// private.h — the inside of transfer*.c.
//
//   transfer.c           handles and their options, starting and ending
//   transfer_sockets.c   libcurl's sockets and timer on libuv's loop
//   transfer_response.c  the response, and the outcome made from it

#ifndef ENGINE_SENDER_PRIVATE_H
#define ENGINE_SENDER_PRIVATE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/config/config.h"
#include "common/messages/send_order.h"

#define HEADERS_MAX 64 // headers of a request

struct local_addresses;
struct sock;

struct transfer {
    struct transfers *owner;
    struct list_node node; // in flight, or free
    CURL *easy;
    uint64_t no;
    int64_t started_at_us;
    int64_t headers_at_us; // monotonic; 0: not complete yet
    struct buf copy;       // URL, headers and body of the order
    struct curl_slist headers[HEADERS_MAX];
    struct buf response_headers;
    struct buf response_body;
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
    bool is_ours;         // our fault: no socket could be made
    bool has_certificate; // an option of the handle: a client certificate
    char message[CURL_ERROR_SIZE];
};

struct transfers {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_timer_t grace_timer;
    CURLM *multi;
    const struct config *config;                             // borrowed
    void (*done)(void *data, const struct outcome *outcome); // transfer_done
    void (*reap)(struct transfers *ts); // ends what libcurl has finished
    void *data;
    struct local_addresses *local;
    struct curl_blob authorities; // of ca_file; data NULL: the system's
    struct sock **socks;          // by file descriptor
    size_t n_socks;
    struct list inflight;
    struct list free;
    size_t n_inflight;
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

// transfer_sockets.c
void transfers_watch(struct transfers *ts); // sets the callbacks of `multi`
// A socket was just made for libcurl.
void transfer_new_socket(struct transfers *ts, curl_socket_t fd);
int transfer_close_socket(void *data, curl_socket_t fd); // data: the transfers

// transfer_response.c
void transfer_expect(struct transfer *t); // sets the callbacks, before a start
// The outcome of the attempt; borrowed from the transfer.
struct outcome transfer_outcome(const struct transfer *t, CURLcode code);

#endif
