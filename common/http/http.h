// SPDX-License-Identifier: MIT
// http.h — an HTTP/1.1 server on libuv and llhttp (strict).
//
// Happy path: accept, headers, `on_headers` (authorize, judge the size),
// 100 Continue if asked for, body into memory, `on_request`, http_respond()
// now or later, then the next request of the connection. Requests of one
// connection are handled one at a time, so pipelined ones are answered in
// order; reading pauses meanwhile.
//
// If it fails: a malformed request gets one 400 (or 413, 414, 431, 501, 505)
// with a JSON body, and the connection is closed. A client that is slow with
// its header, its body or its next request is closed. Allowed are a request
// line of 8 KiB, 64 headers, 16 KiB of header lines (with their line ends),
// 1 KiB of chunk extensions, no trailers. When the connection cap is reached,
// the connection that has waited longest without a request in work makes room;
// if there is none, the new one gets 503. So it is with the cap of an address,
// among those of this address. A request that nobody answers for (http_hold()) is
// not in work while its body comes or its answer is read.
//
// What is held for clients counts: bodies, what came ahead of its turn, and output
// that its client has not taken. Of `max_buffered_bytes` a reserve is left for
// whoever has it, and an account (http_charge()) with several requests has a share. A handler with a long answer asks http_has_room()
// before it makes it. What is at most HTTP_SMALL_BYTES is always answered: a
// connection holds one answer.
//
// A request that the process has died with twice is handled when no other is,
// and one that it has died with three times gets 500 for ten minutes (blame.h).

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

struct http_limits {
    size_t max_body_bytes;     // 413 beyond, before reading if announced
    size_t max_buffered_bytes; // held for clients, see below; 503 beyond
    size_t max_account_bytes;  // of them, for one account with several requests
    size_t reserve_bytes;      // of them, for whoever has the reserve
    unsigned max_connections;
    unsigned max_per_address; // connections of one client address
    // Per connection, then it is closed, so that a producer that never pauses
    // comes to another process one day. High by default: to connect anew costs
    // more than a request, and nothing of a connection grows with its requests.
    unsigned max_requests;
    uint32_t header_timeout_ms; // from the first byte to the empty line
    // Without 1 KiB/s of progress, of a body that comes or of an answer that is
    // read.
    uint32_t body_timeout_ms;
    uint32_t idle_timeout_ms; // between requests
};

extern const struct http_limits http_default_limits;

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
    char peer[48];            // the client's address as text
    uint64_t
        hash[2]; // of method, target and body, and its length; in on_request
    bool has_node_errors; // http_fail() adds statusCode and error, as the
                          // servers of Node's frameworks do
    void *data;           // for the handler; starts NULL
};

// The value of a header, trimmed; name in any case. Empty if absent. Headers
// that are given twice: the first (Host, Content-Length, Authorization and
// Content-Type twice are refused with 400 before any handler runs).
struct str http_header(const struct http_request *r, const char *name);
bool http_has_header(const struct http_request *r, const char *name);

// Whether the media type is `type`, whatever its parameters (RFC 9110, 8.3.1).
bool http_is_type(const struct http_request *r, const char *type);

// The headers in the order they came, from `i` = 0; names as sent. False: no
// more.
bool http_header_at(const struct http_request *r, size_t i, struct str *name,
                    struct str *value);

struct http_handlers {
    // The header is complete, the body is not read. May answer at once with
    // http_respond(): then the body is not read and the connection closes if
    // one was announced. May set r->body_limit_bytes.
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

// In on_headers: from now until its answer is out the request is in work for the
// holder of this number (share.h). Other than SHARE_THERE: it is not, since that
// would be too many; answer it.
MUST_CHECK enum share http_hold(struct http_request *r, uint64_t holder_no,
                                const struct share_limit *limit);

// Answers; exactly once for each request, on the loop's thread; `r` is gone
// afterwards. `headers` are extra lines, each "Name: value\r\n", or empty.
// Content-Length, Date-less, Connection are the server's job. HEAD gets no
// body. A client that has gone meanwhile is no fault: nothing happens.
struct http_response {
    unsigned status;
    struct str content_type; // empty: "application/json" if there is a body
    struct str headers;
    struct str body;
    bool close; // close the connection after it
    // It is for whoever watches the process. If such answers are more than an
    // eighth of max_buffered_bytes, the client that has not read the oldest one is
    // closed.
    bool is_vital;
};
void http_respond(struct http_request *r, const struct http_response *resp);

#define HTTP_SMALL_BYTES ((size_t)16 * 1024)
#define HTTP_PIECE_BYTES ((size_t)64 * 1024)
// Set aside for an answer in pieces: one, and what its producer needs.
#define HTTP_LONG_BYTES (2 * HTTP_PIECE_BYTES)

// From now on what is held for the request counts on the account of this name: an
// organization's; the empty one is of whoever has shown no token. `has_reserve`:
// it counts on none, and may use the reserve. The last call holds.
void http_charge(struct http_request *r, struct str account, bool has_reserve);

// Whether `n_bytes` more may be held for this request: asked before a long answer is
// made.
bool http_has_room(const struct http_request *r, size_t n_bytes);

// What a long answer is made by, while its client reads.
enum http_more {
    HTTP_MORE,
    HTTP_LAST,
    HTTP_FAILED // the connection is cut, so that the answer is not taken for whole
};
struct http_producer {
    // Appends some more, which ends when `out` has HTTP_PIECE_BYTES; runs when the
    // client has taken what was before, and takes a few milliseconds at most.
    enum http_more (*next)(void *data, struct buf *out);
    // Runs once, when no more is wanted.
    void (*done)(void *data);
    void *data;
};

// Answers as http_respond() does, but the body goes on with what the producer makes.
// The client gets chunks; one of HTTP/1.0 gets the end of the connection. False:
// the client has gone, and neither function of the producer will run; else both run
// later, never inside this call. Ask http_has_room(r, HTTP_LONG_BYTES) before.
bool http_respond_pieces(struct http_request *r,
                         const struct http_response *resp,
                         const struct http_producer *producer);

// Until it is answered: `on_gone` runs once if the client goes first, never inside one
// of these calls; the request must be answered all the same. A client that closed its
// side alone still gets its answer, and before it some "100 Continue" (RFC 9110, 15.2),
// which tell whether it is there.
void http_watch(struct http_request *r,
                void (*on_gone)(struct http_request *r));

// For long answers (server-sent events): the header goes out without a length,
// then pieces, then the end closes the connection. `on_gone` runs once if the
// client goes first, never inside one of these calls; then http_stream_end()
// must still be called, once. A client that leaves more than 1 MiB unread is
// taken for gone, and so is one that closes its side, or that is slower than the
// floor while something waits for it.
void http_stream_begin(struct http_request *r, struct str content_type,
                       void (*on_gone)(struct http_request *r));
void http_stream_write(struct http_request *r, struct str bytes);
void http_stream_end(struct http_request *r);
// Written, and not taken by the client yet.
size_t http_stream_unread_bytes(const struct http_request *r);

// Stops accepting and closes idle connections; requests in work are finished
// and their connections closed; streams end as if their clients had gone.
// `done` runs once, later, when all are gone and no handle of the server is
// left on the loop. Once only.
void http_server_drain(struct http_server *s, void (*done)(void *data),
                       void *data);

// Frees a server that is drained: in `done`, or after it.
void http_server_free(struct http_server *s);

// Figures for the metrics.
struct http_figures {
    uint64_t n_accepted, n_requests, n_refused, n_timeouts, n_malformed;
    unsigned n_connections;
    size_t n_buffered_bytes; // held for clients
    size_t n_output_bytes;   // in it: output, and what is set aside for pieces
    size_t n_vital_bytes;    // in it: answers that are vital
};
struct http_figures http_server_figures(const struct http_server *s);

// Sets the gauges of this process's server; `n_requests` is how many its metrics have
// counted already.
void http_note_figures(const struct http_server *s, uint64_t *n_requests);

// --- helpers for handlers ---

// Decodes percent-encoding. ERR_INVALID: a broken escape or a NUL.
MUST_CHECK enum err http_decode(struct str text, struct buf *out);

// The decoded value of a query parameter. ERR_NOTFOUND, ERR_INVALID.
MUST_CHECK enum err http_query(const struct http_request *r, const char *name,
                               struct buf *out);

// The error body of both APIs: {"code":404,"message":"Not Found: …"}, where
// the reason phrase is the server's job and `detail` (printf) ours. Further
// `headers` may be empty.
__attribute__((format(printf, 4, 5))) void http_fail(struct http_request *r,
                                                     unsigned status,
                                                     struct str headers,
                                                     const char *detail, ...);

const char *http_reason(unsigned status); // "Not Found"

#endif
