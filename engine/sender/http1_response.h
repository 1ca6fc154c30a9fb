// SPDX-License-Identifier: MIT
// http1_response.h — reads one response of HTTP/1.1 (RFC 9112) from bytes in any pieces.
//
// Pure: it holds no socket and keeps no body. It takes what libcurl takes (a line may end
// without a carriage return, a header may be folded), so that a receiver meets the same
// client over TLS and without. It refuses what could be read in two ways as a frame.

#ifndef ENGINE_SENDER_HTTP1_RESPONSE_H
#define ENGINE_SENDER_HTTP1_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"

#define HTTP1_LINE_MAX_BYTES ((size_t)100 * 1024) // as libcurl

enum http1_verdict {
    HTTP1_MORE,    // the response goes on
    HTTP1_DONE,    // it is whole
    HTTP1_NOTHING, // the connection ended before a line of an answer came
    HTTP1_CUT,     // the connection ended within the response
    HTTP1_STOPPED, // a handler wants no more
    HTTP1_FAULT    // what came is no valid HTTP, or too large
};

enum http1_part {
    HTTP1_START,
    HTTP1_HEADERS,
    HTTP1_BODY,    // of a length
    HTTP1_TO_END,  // until the connection ends
    HTTP1_SIZE,    // of a chunk: its line
    HTTP1_CHUNK,   // its data
    HTTP1_BREAK,   // the line end after it
    HTTP1_TRAILER, // lines after the last one
    HTTP1_OVER
};

// False: nothing more is wanted.
struct http1_handlers {
    // A line of a header block or of the trailer, with its line end; also the status
    // line and the empty line, and those of interim responses (1xx).
    bool (*on_line)(void *data, struct str line);
    bool (*on_body)(void *data, struct str bytes);
};

struct http1_response {
    struct buf line; // the beginning of a line
    enum http1_part part;
    int status;               // of the last status line; 0: none yet
    int64_t left_bytes;       // of the body, or of the chunk
    int64_t n_promised_bytes; // Content-Length; -1: none
    int64_t n_body_bytes;
    bool has_byte;    // one has come
    bool is_chunked;  // Transfer-Encoding
    bool is_kept;     // the receiver keeps the connection
    bool has_version; // 1.1 or later
};

void http1_response_init(struct http1_response *r);
void http1_response_reset(struct http1_response *r); // for the next one
void http1_response_clear(struct http1_response *r);

// Reads from `bytes`; what follows the response is left in it. HTTP1_MORE: all was read.
enum http1_verdict http1_response_read(struct http1_response *r,
                                       const struct http1_handlers *handlers,
                                       void *data, struct str *bytes);

// The connection has ended, after HTTP1_MORE.
enum http1_verdict http1_response_end(struct http1_response *r);

#endif
