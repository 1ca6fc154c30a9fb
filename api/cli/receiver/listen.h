// SPDX-License-Identifier: MIT
// listen.h — a socket and a server for the receivers of the command line.

#ifndef API_CLI_RECEIVER_LISTEN_H
#define API_CLI_RECEIVER_LISTEN_H

#include <stddef.h>
#include <uv.h>

#include "common/base/err.h"
#include "common/http/http.h"

// Listens on "ADDR:PORT"; NULL: on 127.0.0.1 and any port. -1: it cannot; stderr has
// the reason.
int listen_on(const char *command, const char *address);

unsigned listen_port(int fd); // the port of a socket of listen_on()

// Serves every request on a socket of listen_on(), with bodies of at most
// `body_max_bytes`. One engine is its only client, so there are no limits per address
// or connection.
MUST_CHECK enum err listen_serve(uv_loop_t *loop, int fd, size_t body_max_bytes,
                                 void (*on_request)(void *data,
                                                    struct http_request *r),
                                 void *data, struct http_server **out);

#endif
