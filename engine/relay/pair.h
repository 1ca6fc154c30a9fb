// SPDX-License-Identifier: MIT
// pair.h — a client's connection and one to the lead node, joined: what one side sends,
// the other gets, unchanged.
//
// Happy path: connect to the lead; then both sides are read, and bytes go out as they
// come. Each side may end its direction alone, which is passed on. When both have, the
// pair ends.
//
// If it fails: a side that does not take what comes lets the other wait. A connection
// that breaks breaks the other, so that no client takes a cut answer for a whole one;
// but if the broken side had ended its direction, what it said is still delivered. A peer
// that has vanished, or takes nothing for as long, is noticed within about 30 s.

#ifndef ENGINE_RELAY_PAIR_H
#define ENGINE_RELAY_PAIR_H

#include <uv.h>

#include "common/base/err.h"
#include "common/base/str.h"

struct pair;
struct sockaddr;

// Pairs that are not closed yet; at first there is only the loop.
struct pair_list {
    uv_loop_t *loop; // on which they live; borrowed
    struct pair *first;
};

struct pair_events {
    // The lead was not reached. Takes the client's connection, `fd`, of which nothing was
    // read. `why` is static: words such as "does not answer". on_ended() follows.
    void (*on_unreached)(void *data, int fd, const char *why);
    // Both connections are closed. Runs once for each pair that was started.
    void (*on_ended)(void *data);
};

// Starts a pair: takes `client_fd`, an accepted connection that does not block, and
// connects to `lead`, which first gets `greeting`, at most a few hundred bytes. ERR_IO (errno):
// no socket can be made, and `client_fd` stays the caller's. `events` and `list` must outlive
// the pair; on_unreached() may run before this returns, on_ended() does not.
MUST_CHECK enum err pair_start(struct pair_list *list, int client_fd,
                               const struct sockaddr *lead, struct str greeting,
                               const struct pair_events *events, void *data);

// Ends pairs in which nobody seems to wait for anything: the lead spoke last, all of it has
// been passed on, and for `quiet_ms` nothing has come.
void pair_list_end_quiet(struct pair_list *list, uint64_t quiet_ms);

#endif
