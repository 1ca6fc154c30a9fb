// guard.h — which addresses a delivery may connect to.
//
// Pure. Judges the binary address of each connect, after name resolution, so
// that no spelling of a URL and no change of a name's address gets past it.

#ifndef ENGINE_GUARD_H
#define ENGINE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"

struct sockaddr;

// True: public, or named by the allow list. Private, loopback, link-local,
// multicast, documentation and other special ranges (IANA's registries of
// special-purpose addresses) are refused, also when an IPv6 address only
// carries such an IPv4 one.
bool guard_permits(const struct sockaddr *address, const struct cidr *allow,
                   size_t n_allow);

#endif
