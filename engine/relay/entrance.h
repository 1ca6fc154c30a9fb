// SPDX-License-Identifier: MIT
// entrance.h — the listening socket of a relay: who is let in, and who gets 503.
//
// Happy path: a connection is accepted and becomes a pair with the lead node (pair.h).
//
// If it fails: while no lead is known, if it is not reached, and beyond the limits
// (max_connections, max_connections_per_address), the client gets 503, or an alert if the
// listener speaks TLS. If no descriptor is free, accepting pauses until a connection
// ends, or for a second.

#ifndef ENGINE_RELAY_ENTRANCE_H
#define ENGINE_RELAY_ENTRANCE_H

#include <stdbool.h>
#include <uv.h>

struct config;
struct entrance; // opaque, one for the process; never freed
struct sockaddr_storage;

struct entrance_options {
    int listen_fd;    // borrowed; must not block
    bool speaks_tls;  // what passes is TLS
    const char *name; // of the process, for clients; borrowed
    void (*on_empty)(
        void *data); // after entrance_drain(): no connection is left
    void *data;
};

// Begins to listen, and to accept. Exits (log_fatal) if it cannot. `config` is borrowed;
// a reload may change what it holds.
struct entrance *entrance_new(uv_loop_t *loop, const struct config *config,
                              const struct entrance_options *options);

// Where new connections lead from now on; NULL: no lead is known. Connections to the
// lead before are kept. `wants_clients`: each connection begins with a PROXY header, which
// names the client.
void entrance_set_lead(struct entrance *e, const struct sockaddr_storage *lead,
                       bool wants_clients);

// To be called every second.
void entrance_tick(struct entrance *e);

// Accepts no more.
void entrance_drain(struct entrance *e);

#endif
