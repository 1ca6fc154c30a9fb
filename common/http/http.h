// SPDX-License-Identifier: MIT
// http.h — an HTTP/1.1 server on libuv and llhttp (strict).
//
// Happy path: accept, headers, `on_headers` (authorize, check the size),
// 100 Continue if asked for, body into memory, `on_request`, http_respond()
// now or later, then the next request of the connection. Requests of one
// connection are handled one at a time, so pipelined ones are answered in
// order; reading pauses meanwhile.
//
// If it fails: a malformed request gets one 400 (or 413, 414, 431, 501, 505) with a
// JSON body, and the connection is closed. A client that is slow with its header,
// its body or its next request is disconnected. Limits are a request line of 8 KiB,
// 64 headers, 16 KiB of header lines (with their line ends), 1 KiB of chunk
// extensions, no trailers. When the connection cap is reached, the connection that
// has waited longest without a request in work is closed for the new one; if there
// is none, the new one gets 503. The cap per address works in the same way, among
// the connections of that address. A request that no token answers for
// (http_hold()) is not in work while its body arrives or its answer is read.
//
// Memory that is held for clients is counted: bodies, input read ahead, and output
// that the client has not taken. Part of `max_buffered_bytes` is a reserve for
// requests that may use it, and an account (http_charge()) with several requests
// has a share. A handler with a long answer calls http_has_room() before it makes
// the answer. An answer of at most HTTP_SMALL_BYTES is always sent: a connection
// holds one answer.
//
// TLS: a handshake counts as waiting for a request, and has the time of a header, from
// the moment the connection was accepted. Addresses take turns with handshakes, and
// the setting max_handshakes_per_address limits how many each begins in a second. A
// client that speaks plain HTTP to a port of TLS gets 400, and so does one that speaks
// TLS to a plain port. The log names them, at most once in ten seconds.
//
// A request that the process has died with twice is handled while no other request
// is; one that it has died with three times gets 500 for ten minutes (blame.h).

#ifndef COMMON_HTTP_HTTP_H
#define COMMON_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/fairness/share.h"

struct uv_loop_s;
struct http_server;
struct tls_server;

struct http_limits {
    size_t max_body_bytes;     // larger: 413, before reading if announced
    size_t max_buffered_bytes; // held for clients, see above; beyond: 503
    size_t max_account_bytes;  // its part for an account with several requests
    size_t reserve_bytes;      // its part for requests with the reserve
    unsigned max_connections;
    unsigned max_per_address;      // connections from one client address
    unsigned max_handshakes_per_s; // of TLS, from one client address
    // After this number of requests a connection is closed, so that a producer that
    // never pauses reaches another process some day. High by default: a new
    // connection costs more than a request, and a connection does not grow with its
    // requests.
    unsigned max_requests;
    uint32_t header_timeout_ms; // from the first byte to the empty line
    // A client that sends a body, or reads an answer, at less than 1 KiB/s for this
    // time is disconnected.
    uint32_t body_timeout_ms;
    uint32_t idle_timeout_ms; // between requests
    // Whose X-Forwarded-For is believed (trusted_proxies). NULL: nobody's. Read for
    // each request, so a reload counts at once.
    const struct cidrs *proxies;
    // Whose PROXY header (proxy_header.h), before all other bytes, is believed: a
    // connection then counts as one from the client that the header names. NULL:
    // nobody's. Read for each connection.
    const struct cidrs *proxy_peers;
};

extern const struct http_limits http_default_limits;
struct cidrs;
struct config;
// Those of the settings; the rest are the default ones.
struct http_limits http_limits_of(const struct config *config,
                                  size_t max_body_bytes);

enum http_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_OTHER
};

// A request: borrowed from the server until it is answered.
struct http_request {
    enum http_method method;
    struct str method_name;
    struct str path;          // as sent, percent-encoded, without the query
    struct str query;         // as sent, without the question mark
    struct str body;          // complete in on_request
    bool has_body_announced;  // in on_headers: a length or chunks follow
    uint64_t announced_bytes; // Content-Length, 0 if chunked
    size_t body_limit_bytes;  // on_headers may set it (default max_body_bytes)
    int64_t first_byte_us;    // clock_now_us() when its first byte came
    // The client's address as text: that of its connection, or the one that a trusted
    // proxy tells.
    char peer[48];
    uint64_t
        hash[2]; // of method, target and body, and its length; in on_request
    bool is_private;      // caches must not keep the answer (no-store)
    bool has_node_errors; // http_fail() adds statusCode and error, as the
                          // servers of Node's frameworks do
    void *data;           // for the handler; starts NULL
};

// Returns the value of a header, trimmed; `name` in any case. Empty if absent. If a
// header is given twice, the first value (Host, Content-Length, Authorization and
// Content-Type given twice get 400 before any handler runs).
struct str http_header(const struct http_request *r, const char *name);
bool http_has_header(const struct http_request *r, const char *name);

// Whether the request came over TLS.
bool http_is_encrypted(const struct http_request *r);

// Whether the media type is `type`, whatever its parameters (RFC 9110, 8.3.1).
bool http_is_type(const struct http_request *r, const char *type);

// Returns the headers in the order of arrival, from `i` = 0, with names as sent.
// False: no more.
bool http_header_at(const struct http_request *r, size_t i, struct str *name,
                    struct str *value);

struct http_handlers {
    // The header is complete, the body is not read. May answer at once with
    // http_respond(): the body is then not read, and the connection closes if a
    // body was announced. May set r->body_limit_bytes.
    void (*on_headers)(void *data, struct http_request *r);
    // The request is complete: answer it with http_respond(), now or later.
    void (*on_request)(void *data, struct http_request *r);
    // The client went away, or broke the rules, after on_headers and before
    // on_request: free what r->data holds. May be NULL.
    void (*on_dropped)(void *data, struct http_request *r);
    void *data;
};

// Serves connections accepted on `fd`, a bound and listening socket, which it
// takes. ERR_IO: the reason is logged.
MUST_CHECK enum err http_server_start(struct uv_loop_s *loop, int fd,
                                      const struct http_limits *limits,
                                      const struct http_handlers *handlers,
                                      struct http_server **out);

// Connections that are accepted from now on speak TLS (tls_server.h), or, with NULL,
// plain HTTP; earlier ones go on as they began. Takes the caller's use of `tls`.
void http_server_set_tls(struct http_server *s, struct tls_server *tls);

// As http_server_set_tls(), with a bundle (tls_bundle.h), whose descriptor stays the
// caller's. If it cannot be used, the reason is logged, and nothing changes: false.
bool http_server_load_tls(struct http_server *s, int fd);
// The same for the first bundle of a role, which it closes; -1: there is none. If it
// cannot be used, the process ends: clients must not get plain HTTP.
void http_server_first_tls(struct http_server *s, int fd);

// Call in on_headers: from now until its answer is written, the request counts as
// in work for the holder of this number (share.h). A result other than SHARE_THERE:
// the limit is reached and the request does not count; answer it with an error.
MUST_CHECK enum share http_hold(struct http_request *r, uint64_t holder_no,
                                const struct share_limit *limit);

// Answers a request: exactly once for each, on the loop's thread; `r` is invalid
// afterwards. `headers` are extra lines, each "Name: value\r\n", or empty. The
// server sets Content-Length and Connection. HEAD gets no body. If the client has
// gone meanwhile, nothing happens.
struct http_response {
    unsigned status;
    struct str content_type; // empty: "application/json" if there is a body
    struct str headers;
    struct str body;
    bool close; // close the connection after it
    // An answer for monitoring. If the clients of such answers leave more than an
    // eighth of max_buffered_bytes unread, the one that has kept its answer unread
    // for longest is disconnected.
    bool is_vital;
};
void http_respond(struct http_request *r, const struct http_response *resp);

#define HTTP_SMALL_BYTES ((size_t)16 * 1024)
#define HTTP_PIECE_BYTES ((size_t)64 * 1024)
// Reserved for an answer in pieces: one piece, and what its producer needs.
#define HTTP_LONG_BYTES (2 * HTTP_PIECE_BYTES)

// Charges what is held for the request to the account of this name: an
// organization's, or the empty one for requests without a token. `has_reserve`: it
// is charged to no account and may use the reserve. The last call counts.
void http_charge(struct http_request *r, struct str account, bool has_reserve);

// Whether `n_bytes` more may be held for this request. Call it before making a long
// answer.
bool http_has_room(const struct http_request *r, size_t n_bytes);

// The producer of a long answer, which runs while the client reads.
enum http_more {
    HTTP_MORE,
    HTTP_LAST,
    HTTP_FAILED // the connection is reset, so that the answer does not look complete
};
struct http_producer {
    // Appends the next part of the body, until `out` has HTTP_PIECE_BYTES. Runs
    // when the client has taken the parts before, and may take a few milliseconds.
    enum http_more (*next)(void *data, struct buf *out);
    // Runs once, when no more parts are wanted.
    void (*done)(void *data);
    void *data;
};

// Answers as http_respond() does, with a body that continues with what the producer
// makes. The client gets chunks; an HTTP/1.0 client gets the end of the connection
// instead. False: the client has gone, and neither function of the producer will
// run; otherwise both run later, never inside this call. Call http_has_room(r,
// HTTP_LONG_BYTES) before.
bool http_respond_pieces(struct http_request *r,
                         const struct http_response *resp,
                         const struct http_producer *producer);

// Watches the client until the request is answered: if the client goes first,
// `on_gone` runs once, never inside one of these calls; the request must be
// answered all the same. A client that only shut down its sending side still gets
// its answer. To tell the two apart, the server sends it some "100 Continue" (RFC
// 9110, 15.2) before.
void http_watch(struct http_request *r,
                void (*on_gone)(struct http_request *r));

// For long answers (server-sent events): the header goes out without a length, then
// pieces follow, and the end closes the connection. If the client goes first,
// `on_gone` runs once, never inside one of these calls; http_stream_end() must
// still be called, once. A client counts as gone if it leaves more than 1 MiB
// unread, shuts down its sending side, or reads more slowly than the minimum rate
// while data waits for it.
void http_stream_begin(struct http_request *r, struct str content_type,
                       void (*on_gone)(struct http_request *r));
void http_stream_write(struct http_request *r, struct str bytes);
void http_stream_end(struct http_request *r);
// Bytes that were written to the stream and that the client has not taken yet.
size_t http_stream_unread_bytes(const struct http_request *r);

// Stops accepting and closes idle connections. Requests in work are finished, then
// their connections are closed; streams end as if their clients had gone. `done`
// runs once, later, when all connections are gone and the server has no handle left
// on the loop. Call it once only.
void http_server_drain(struct http_server *s, void (*done)(void *data),
                       void *data);

// Frees a server that is drained: in `done`, or after it.
void http_server_free(struct http_server *s);

// Numbers for the metrics.
struct http_figures {
    uint64_t n_accepted, n_requests, n_refused, n_timeouts, n_malformed;
    // Of TLS: complete, those of them that resumed a session, and failed.
    uint64_t n_handshakes, n_resumed, n_failed_handshakes;
    unsigned n_connections;
    size_t n_buffered_bytes; // held for clients
    size_t n_output_bytes;   // part of it: output, and what pieces reserve
    size_t n_vital_bytes;    // part of it: vital answers
};
struct http_figures http_server_figures(const struct http_server *s);

// Sets the gauges of this process's server, and counts on from `noted`, the figures
// that its metrics have counted already (at first zeros).
void http_note_figures(const struct http_server *s, struct http_figures *noted);

// --- helpers for handlers ---

// Decodes percent-encoding. ERR_INVALID: a broken escape or a NUL.
MUST_CHECK enum err http_decode(struct str text, struct buf *out);

// The decoded value of a query parameter. ERR_NOTFOUND, ERR_INVALID.
MUST_CHECK enum err http_query(const struct http_request *r, const char *name,
                               struct buf *out);

// Sends the error body of both APIs, {"code":404,"message":"Not Found: …"}: the
// server adds the reason phrase, the caller gives `detail` (printf). Extra
// `headers` may be empty.
__attribute__((format(printf, 4, 5))) void http_fail(struct http_request *r,
                                                     unsigned status,
                                                     struct str headers,
                                                     const char *detail, ...);

// http_fail() about one member of the body: "field" of the error body has its name.
// NULL: there is none.
__attribute__((format(printf, 4, 5))) void
http_fail_field(struct http_request *r, unsigned status, const char *field,
                const char *detail, ...);

const char *http_reason(unsigned status); // "Not Found"

#endif
