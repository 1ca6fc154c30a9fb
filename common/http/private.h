// SPDX-License-Identifier: MIT
// private.h — the inside of the HTTP server, shared by its files.
//
// A file calls only those above it:
//
//   request.c           headers, decoding, names
//   budget.c            what is held for clients, and on whose account
//   client_address.c    who a connection, or a request behind a proxy, comes from
//   connection_table.c  the lists of connections, their states and their end
//   alone.c             requests that the process has died with
//   response.c          answers, faults and streams
//   pieces.c            answers that are produced while their clients read
//   parser.c            llhttp's callbacks, and what is refused besides
//   connection.c        the life of a connection: bytes in, requests out
//   acceptor.c          new connections, caps, which connection is closed for one
//   server.c            start, the clock, draining

#ifndef COMMON_HTTP_PRIVATE_H
#define COMMON_HTTP_PRIVATE_H

#include <llhttp.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/hash_map.h"
#include "common/base/list.h"
#include "common/http/http.h"
#include "common/process/blame.h"
#include "common/stream/greetings.h"
#include "common/stream/stream.h"

#define HTTP_HEADERS_MAX 64
#define HTTP_READ_BYTES  ((size_t)64 * 1024)
#define HTTP_KEEP_BYTES  ((size_t)16 * 1024) // larger buffers are not kept
#define HTTP_INPUT_BYTES \
    ((size_t)16 * 1024)        // read ahead while a request is in work
#define HTTP_ADDRESS_BYTES  16 // IPv6; IPv4 as ::ffff:a.b.c.d
#define HTTP_TURN_NS        UINT64_C(5000000) // work within one turn of the loop
#define HTTP_REFUSED_STATUS 503
#define HTTP_TOO_MANY       "too many connections; try again"
#define HTTP_REFUSED_BYTES                                                  \
    "this process died three times with these bytes; they are refused for " \
    "ten minutes"

enum conn_state {
    CONN_SHAKING,  // the TLS handshake is not complete
    CONN_IDLE,     // between requests, nothing of the next has come
    CONN_HEADER,   // a request's header is arriving
    CONN_BODY,     // the header is complete, the body is arriving
    CONN_HELD,     // complete: waits for a request that runs alone
    CONN_WORK,     // complete, or answered early: at the handler
    CONN_REPLYING, // the answer is being written
    CONN_STREAM,   // a long answer is being written
    CONN_ENDING,   // the last bytes go out, then our side shuts down
    CONN_LINGER,   // our side is shut down; input is read and discarded
    CONN_CLOSED    // the socket is closed; waits for the handler's answer
};

// The list in which a connection is. Each list keeps the order in which connections
// entered it.
enum conn_list {
    CONN_LIST_LINGER, // closed first when a new connection comes
    CONN_LIST_WAITING, // waits for a request, or its request has no holder (http_hold)
    CONN_LIST_BUSY, // has a request in work or an answer being written
    CONN_LIST_GONE, // the socket is closed
    CONN_LIST_COUNT
};

struct header_span { // offsets into conn.text, whose limits keep them small
    uint16_t name, n_name, value, n_value;
};

// A client address, and how many connections it has.
struct peer {
    struct hash_node node; // in http_server.peers, by its address
    uint8_t address[HTTP_ADDRESS_BYTES];
    unsigned n_connections;
    struct list waiting; // those in CONN_LIST_WAITING, in the same order
};

// An account (http_charge()): its requests, and what is held for them.
struct account {
    struct hash_node node; // in http_server.accounts, by its name
    unsigned n_requests;   // charged to it
    size_t n_held_bytes;
    size_t n_name_bytes;
    char name[];
};

struct conn {
    struct stream stream;
    struct stream_write write;
    uv_shutdown_t shutdown;
    struct http_server *server;
    struct list_node in_list; // in that list
    struct list_node at_peer; // in peer.waiting
    struct list_node held;    // in http_server.held
    struct list_node turn;    // in http_server.turns
    enum conn_list list;
    struct peer *peer; // for whom it counts; NULL: no longer counted
    uint8_t address[HTTP_ADDRESS_BYTES]; // from which it comes
    bool has_client;                     // it counts for a client of a proxy
    bool is_held;                        // its request counts for holder_no
    uint64_t holder_no;
    llhttp_t parser;
    struct http_request request;
    enum conn_state state;
    uint64_t since_ms;      // loop time when the state was entered
    size_t n_window_bytes;  // of the body, received since since_ms
    uint64_t n_taken_bytes; // by the client, when since_ms was; UINT64_MAX: not
                            // looked at yet

    struct buf text; // request target, then names and values of headers
    size_t n_target;
    struct header_span headers[HTTP_HEADERS_MAX];
    size_t n_headers;
    size_t n_lines;        // complete lines of the header
    size_t n_line_bytes;   // of the line that is arriving
    size_t n_header_bytes; // of complete lines after the request line
    struct buf body;
    size_t n_raw_bytes;     // of the body as received, with chunk headers
    const char *feed;       // what the parser is reading; borrowed
    struct buf input;       // received while a request was in work
    size_t input_at;        // parsed up to here
    struct buf output;      // what `write` is writing
    size_t n_counted_bytes; // of body, input and output, in the budget
    size_t n_counted_output_bytes;
    struct account *account; // NULL: charged to none
    bool has_reserve;
    bool is_vital;                 // the answer is vital (struct http_response)
    struct http_producer producer; // `next` is NULL: there is no more
    bool is_chunked;
    bool waits_for_turn;
    size_t n_chunk_extension_bytes;
    size_t n_lingered_bytes;
    unsigned n_requests;
    unsigned fault; // status that the parser's callbacks decided on
    const char *fault_text;
    bool looks_like_tls; // the first byte of the header does
    bool is_value;       // the last callback was for a header's value
    bool has_headers;    // the header is complete
    bool is_handed;      // on_headers ran: the handler may hold something
    bool is_answered;    // http_respond() was called
    bool is_running;     // parsing is on the stack
    bool is_reading;
    bool keeps_alive; // after this request
    bool has_rest;    // part of the body is unread
    bool is_at_end;   // the client has closed its side
    bool is_tcp_closed;
    bool is_gone;      // its handle is closed: free it when answered
    bool is_counted;   // counted in figures.n_connections
    bool is_in_parser; // the parser is on the stack: it must not be reset
    bool is_next_due;  // conn_next() was called during parsing
    void (*on_gone)(
        struct http_request *r); // of a stream, or of a request that
                                 // somebody watches
    uint64_t
        asked_at_ms; // of the loop: when the client was asked whether it is
                     // there
};

// Callbacks of connection_table.c into modules above them; server.c,
// which knows all modules, sets them.
struct conn_events {
    uv_read_cb on_read;
    void (*on_turn)(struct conn *c);       // its turn has come
    void (*on_reply_done)(struct conn *c); // its answer is written
    void (*on_descriptor_free)(struct http_server *s);
    void (*on_last_freed)(struct http_server *s); // no connection is left
};

struct http_server {
    uv_poll_t listener;
    uv_timer_t ticker;
    uv_loop_t *loop;
    struct stream_hub *streams;
    struct greetings *greetings; // while it accepts
    int listen_fd;
    int spare_fd; // closed for a moment when no other is free; or -1
    struct http_limits limits;
    struct http_handlers handlers;
    struct conn_events events;
    llhttp_settings_t settings;
    struct list lists[CONN_LIST_COUNT];
    size_t n_conns; // in all lists
    struct list held;
    struct conn *alone; // its request must be the only one in work
    struct hash_map peers;
    struct hash_map accounts;
    uv_idle_t turner; // active while a connection waits for a turn
    struct list turns;
    struct buf piece;       // the piece that is being made
    uint64_t drained_at_ms; // loop time when draining began
    struct shares holders;  // who has how many requests in work
    struct http_figures figures;
    char *read_buffer;      // one for all connections
    uint64_t warn_again_ms; // loop time of the next warning about descriptors
    uint64_t tell_again_ms; // loop time of the next line about handshakes
    unsigned n_untold;      // failed handshakes since the last line
    unsigned n_handles;     // open handles of the server itself
    bool is_draining;
    bool is_paused; // out of descriptors: waits until a connection closes
    void (*drain_done)(void *data);
    void *drain_data;
};

static inline struct conn *conn_of(struct http_request *r)
{
    return (struct conn *)(void *)((char *)r - offsetof(struct conn, request));
}

// The connections of a list, in the order in which they entered it.
static inline struct conn *conn_list_first(const struct http_server *s,
                                           enum conn_list list)
{
    return LIST_FIRST(&s->lists[list], struct conn, in_list);
}

static inline struct conn *conn_list_next(const struct conn *c)
{
    return LIST_NEXT(c, struct conn, in_list);
}

// Number of received bytes that are not parsed yet.
static inline size_t conn_input_bytes(const struct conn *c)
{
    return c->input.n_bytes - c->input_at;
}

// client_address.c
// Counts the connection for the address that it comes from, and sets the request's
// `peer`.
void conn_name_peer(struct conn *c, const struct sockaddr_storage *from);
// Whether the connection comes from a trusted proxy.
bool conn_is_of_proxy(const struct conn *c);
// Once the header is complete: if a trusted proxy has sent the request, the connection
// counts for the client that the proxy names, until conn_leave_client(). False: it does
// not come from a proxy, or the proxy names nobody.
bool conn_enter_client(struct conn *c);
void conn_leave_client(struct conn *c);
void conn_leave_peer(struct conn *c); // counts it for nobody any more

// connection_table.c
void conn_list_enter(struct conn *c,
                     enum conn_list list); // at the end of its list
void conn_list_leave(struct conn *c);
void conn_uncount(struct conn *c); // stops counting it: it is being closed
void conn_release(struct conn *c); // stops counting its request for its holder
// Closes the connection of the newcomer's address that has waited longest. False: that
// is the newcomer.
bool conn_make_room_of_peer(const struct conn *newcomer);
// Logs, not too often, why what a client sent is useless here.
void conn_tell(struct conn *c, const char *message, const char *reason);
void turn_init(struct http_server *s);
void turn_wait(struct conn *c); // queues it for a turn: events.on_turn
void turn_leave(struct conn *c);
void conn_start(struct conn *c); // starts reading
void conn_stop(struct conn *c);  // stops reading
void conn_enter(struct conn *c, enum conn_state state);
void conn_close(struct conn *c); // at once
void conn_cut(struct conn *c); // closes with a reset: its answer is incomplete
void conn_hand_dropped(
    struct conn *c); // to its handler, which must free what it holds
void conn_drop_body(struct conn *c);
void conn_drop_input(struct conn *c);
void conn_slim(struct conn *c, size_t keep_bytes); // frees larger buffers
// Tells the producer of its answer, if it has one, that no more parts are wanted.
void conn_end_producer(struct conn *c);
void conn_forget(struct conn *c); // frees it

// connection.c
struct conn *conn_new(struct http_server *s);
void conn_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes);
void conn_next(struct conn *c);  // after the answer is written
void conn_go_on(struct conn *c); // parses the input that is left
// The TLS handshake has ended.
void conn_on_shaken(struct stream *stream, enum shaken how);

// alone.c
enum alone {
    ALONE_HANDED,  // given to its handler
    ALONE_HELD,    // waits until it may run
    ALONE_REFUSED, // the process died with it too often: the caller answers
    ALONE_TOO_LATE // it has waited too long: the caller answers
};
// Gives a complete request to its handler, or holds it.
enum alone alone_hand(struct conn *c);
// Gives a held request to its handler if it may run now. Called every tick, in the
// order of arrival.
enum alone alone_try_again(struct conn *c);
void alone_answered(struct conn *c); // the request is not in work any more
void alone_produced(struct conn *c); // the last piece of its answer is made
// Whether the process has died with these bytes too often.
bool alone_refuses(const struct blamed *record);

// parser.c
void parse_settings(llhttp_settings_t *settings);
void parse_reset(struct conn *c); // for the next request

// Parses the bytes at `at`, or a part of them; `*n_used` says how many. HPE_OK:
// more input is needed; HPE_PAUSED: the request is complete; anything else: the
// request is malformed.
MUST_CHECK llhttp_errno_t parse_feed(struct conn *c, const char *at,
                                     size_t n_bytes, size_t *n_used);

// acceptor.c
MUST_CHECK enum err accept_start(struct http_server *s);
void accept_stop(struct http_server *s, uv_close_cb on_closed);
void accept_resume(struct http_server *s); // a descriptor may be free

// pieces.c
void pieces_go_on(struct conn *c); // makes the next piece

// budget.c
void budget_count(struct conn *c); // call after what it holds has changed
bool budget_has_room(const struct conn *c, size_t n_bytes);
void budget_leave(struct conn *c); // stops charging its request to its account

// response.c
void reply_write(struct conn *c); // writes c->output
void reply_put_head(struct conn *c, const struct http_response *resp);
// Begins an answer: does what all answers need. False: the client has gone, and
// nothing is left to do.
bool reply_begin(struct conn *c, const struct http_response *resp);
void reply_end(struct conn *c); // ends the connection after its last answer
void reply_fault(struct conn *c, unsigned status, const char *text);

#endif
