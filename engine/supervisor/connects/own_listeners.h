// SPDX-License-Identifier: MIT
// own_listeners.h — whether an address leads to the engine's own servers.

#ifndef ENGINE_SUPERVISOR_CONNECTS_OWN_LISTENERS_H
#define ENGINE_SUPERVISOR_CONNECTS_OWN_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define OWN_LISTENERS_MAX 2 // api and ingest

// Closed to other rooms.
struct own_listeners {
    struct sockaddr_storage at[OWN_LISTENERS_MAX];
    size_t n;
};

// Adds a listening socket, by the address that the kernel has for it. False (errno): it
// has none.
bool own_listeners_add(struct own_listeners *own, int listen_fd);

// The address of the one that was added first.
static inline const struct sockaddr_storage *
own_listeners_first(const struct own_listeners *own)
{
    return &own->at[0];
}

// Whether a connection to `to` would reach one of these servers. A server that listens on
// every address is reached at each address that the kernel delivers to this machine:
// then the kernel is asked for the route. True also if the kernel does not answer. An
// address that is neither IPv4 nor IPv6 reaches none.
//
// The address that stands for "any" counts as each of this machine, since the kernel
// takes it for loopback or for the socket's own address; a link-local address counts as
// one of this machine, since its scope may come from elsewhere.
bool own_listeners_hold(const struct own_listeners *own,
                        const struct sockaddr_storage *to);

#endif
