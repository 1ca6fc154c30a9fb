// SPDX-License-Identifier: MIT
// proxy_header.h — the PROXY protocol, version 2: what stands before the bytes of a
// connection that somebody passes on, and says who the client is.
//
// It is HAProxy's (proxy-protocol.txt): 12 bytes that begin neither HTTP nor TLS, a
// version and a command, a family, a length, and addresses; then perhaps more, which is
// skipped.

#ifndef COMMON_STREAM_PROXY_HEADER_H
#define COMMON_STREAM_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/str.h"

#define PROXY_HEADER_MAX_BYTES ((size_t)536) // a longer one is bad

// Appends a header that says: a connection over TCP from there to there. Addresses that
// are not both IPv4, or both IPv6, make one that names no client.
void proxy_header_put(struct buf *out, const struct sockaddr_storage *from,
                      const struct sockaddr_storage *to);

enum proxy_header {
    PROXY_HEADER_NONE,  // the bytes begin with something else
    PROXY_HEADER_PART,  // what there is so far may be the beginning of one
    PROXY_HEADER_WHOLE, // the bytes begin with one
    PROXY_HEADER_BAD    // they begin with one that breaks the rules
};

// Reads the first bytes of a connection. `n_bytes`: WHOLE: its length; PART: as many
// bytes are there, at the least, when it makes sense to ask again. `client`: WHOLE: whom
// it names; its family is AF_UNSPEC if it names nobody.
enum proxy_header proxy_header_read(struct str bytes, size_t *n_bytes,
                                    struct sockaddr_storage *client);

#endif
