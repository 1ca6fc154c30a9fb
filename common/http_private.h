// http_private.h — the inside of the HTTP server, shared by its files.
//
//   http_server.c  accepting, caps, timeouts, draining
//   http_conn.c    bytes in, requests out
//   http_reply.c   answers and streams
//   http_util.c    headers, decoding, names

#ifndef COMMON_HTTP_PRIVATE_H
#define COMMON_HTTP_PRIVATE_H

#include <llhttp.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/buf.h"
#include "common/http.h"

#define HTTP_HEADERS_MAX      64
#define HTTP_HEADER_BYTES_MAX ((size_t)16 * 1024)
#define HTTP_LINE_BYTES_MAX   ((size_t)8 * 1024)
#define HTTP_READ_BYTES       ((size_t)64 * 1024)
#define HTTP_KEEP_BYTES \
    ((size_t)16 * 1024) // buffers larger than this are not kept

enum conn_state {
    CONN_IDLE,     // between requests, nothing of the next has come
    CONN_HEADER,   // a request has begun
    CONN_BODY,     // its header is complete
    CONN_WORK,     // it is complete, or answered early: the handler's turn
    CONN_REPLYING, // the answer is being written
    CONN_STREAM,   // a long answer is being written
    CONN_LINGER,   // the answer is out, the rest is read and thrown away
    CONN_CLOSED    // the socket is closed; waits for the handler, or is freed
};

struct header_span { // offsets into conn.text
    uint32_t name, n_name, value, n_value;
};

struct conn {
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct http_server *server;
    struct conn *prev, *next;
    uint8_t address[16]; // for the cap per address
    llhttp_t parser;
    struct http_request request;
    enum conn_state state;
    uint64_t since_ms;     // of the loop: when the state was entered
    size_t n_window_bytes; // of the body, since since_ms

    struct buf text; // request target, then names and values of headers
    size_t n_target;
    struct header_span headers[HTTP_HEADERS_MAX];
    size_t n_headers;
    size_t n_header_bytes;
    struct buf body;
    struct buf input;  // came while a request was in work
    struct buf output; // what `write` is writing
    size_t n_chunk_extension_bytes;
    size_t n_chunks;
    size_t n_lingered_bytes;
    unsigned n_requests;
    unsigned fault; // status that the parser's callbacks decided on
    const char *fault_text;
    bool is_value;    // the last piece of a header was of its value
    bool has_headers; // complete
    bool is_handed;   // on_headers ran: the handler may hold something
    bool is_answered; // http_respond() was called
    bool is_running;  // conn_run() is on the stack
    bool is_writing;
    bool is_reading;
    bool keeps_alive; // after this request
    bool has_rest;    // of the body, unread
    bool is_at_end;   // the client has closed its side
    bool is_tcp_closed;
    bool is_gone;      // and its handle is closed: free it when answered
    bool is_in_parser; // the parser is on the stack: it must not be reset
    bool is_next_due;  // conn_next() was called meanwhile
    void (*on_gone)(struct http_request *r); // of a stream
};

struct http_server {
    uv_tcp_t tcp;
    uv_timer_t ticker;
    uv_loop_t *loop;
    struct http_limits limits;
    struct http_handlers handlers;
    llhttp_settings_t settings;
    struct conn *first, *last; // by age
    struct http_figures figures;
    char *read_buffer; // one for all connections
    bool is_draining;
    bool is_listening;
    void (*on_drained)(void *data);
    void *drain_data;
};

static inline struct conn *conn_of(struct http_request *r)
{
    return (struct conn *)(void *)((char *)r - offsetof(struct conn, request));
}

// http_conn.c
void conn_settings(llhttp_settings_t *settings);
struct conn *conn_new(struct http_server *s);
void conn_start(struct conn *c);
void conn_enter(struct conn *c, enum conn_state state);
void conn_run(struct conn *c);   // parses what has come
void conn_close(struct conn *c); // at once
void conn_fault(struct conn *c, unsigned status, const char *text);
void conn_next(struct conn *c); // the answer is out

// http_server.c
void server_forget(struct conn *c); // it is being freed
void server_look_drained(struct http_server *s);

// http_reply.c
void reply_linger(struct conn *c);

#endif
