// SPDX-License-Identifier: MIT
// listen.h — a socket and a server for the receivers of the command line.

#ifndef API_CLI_RECEIVER_LISTEN_H
#define API_CLI_RECEIVER_LISTEN_H

#include <stddef.h>
#include <uv.h>

#include "common/base/err.h"
#include "common/http/http.h"

// Listens on "ADDR:PORT"; NULL: on 127.0.0.1 and any port. -1: it cannot, which is said on
// stderr.
int listen_on(const char *command, const char *address);

unsigned listen_port(int fd); // of such a socket

// Serves every request on such a socket, with bodies of at most so many bytes. One engine
// is its only client, so that there are no limits per address or connection.
MUST_CHECK enum err listen_serve(uv_loop_t *loop, int fd, size_t body_max_bytes,
                                 void (*on_request)(void *data,
                                                    struct http_request *r),
                                 void *data, struct http_server **out);

#endif
