// SPDX-License-Identifier: MIT
// greetings.h — connections that may begin with a PROXY header, until that is read.
//
// Only for connections from peers that may say who their clients are. One that begins
// with something else is served as it is: such a peer has clients of its own, too.
// Nothing but the header is taken from the socket.

#ifndef COMMON_STREAM_GREETINGS_H
#define COMMON_STREAM_GREETINGS_H

#include <stdint.h>
#include <uv.h>

struct greetings; // a set of such connections
struct sockaddr_storage;

// Takes a connection that can be served now: its header, if it had one, is read. `from`:
// whom the header names, or from where the connection comes.
typedef void (*greetings_cb)(void *data, int fd,
                             const struct sockaddr_storage *from);

struct greetings *greetings_new(uv_loop_t *loop, greetings_cb on_greeted,
                                void *data);

// Takes `fd`, an accepted connection that does not block and comes from `from`. It is
// closed if the header is bad, or if too many are waiting.
void greetings_add(struct greetings *g, int fd,
                   const struct sockaddr_storage *from);

// Closes those that have waited longer for their first bytes.
void greetings_tick(struct greetings *g, uint64_t max_age_ms);

// Closes all. What is left on the loop ends in its next turn, and needs no `g`.
void greetings_free(struct greetings *g);

#endif
