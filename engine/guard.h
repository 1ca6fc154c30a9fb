// guard.h — which addresses a delivery may connect to.
//
// Pure. Judges the binary address of each connect, after name resolution, so
// that no spelling of a URL and no change of a name's address gets past it.

#ifndef ENGINE_GUARD_H
#define ENGINE_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/config.h"

#define GUARD_OWN_MAX 256

// All borrowed.
struct guard_rules {
    const struct cidr *allow; // may be connected to all the same
    size_t n_allow;
    const struct sockaddr_storage *own; // addresses of this machine
    size_t n_own;
    const struct sockaddr_storage *listeners; // the engine's own servers
    size_t n_listeners;
};

// True: public, or named by the allow list. Private, loopback, link-local,
// multicast, documentation and other special ranges (IANA's registries of
// special-purpose addresses) are refused, also when an IPv6 address only
// carries such an IPv4 one; so are this machine's own addresses. The engine's
// own servers are refused even if they are on the allow list: a hook could
// reach what only operators may.
bool guard_permits(const struct sockaddr *address,
                   const struct guard_rules *rules);

#endif
