// SPDX-License-Identifier: MIT
// address_guard.h — which addresses a delivery may connect to.
//
// Pure. Judges the binary address of each connect, after name resolution, so
// that no spelling of a URL and no change of a name's address gets past it.

#ifndef ENGINE_SENDER_ADDRESS_GUARD_H
#define ENGINE_SENDER_ADDRESS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/config/config.h"

// All borrowed.
struct guard_rules {
    const struct cidr *allow; // may be connected to all the same
    size_t n_allow;
    const struct port_range *ports; // that may be connected to
    size_t n_ports;
    bool is_own_known; // false: `own` could not be had, all may be ours
    const struct sockaddr_storage *own; // addresses of this machine
    size_t n_own;
    const struct sockaddr_storage *listeners; // the engine's own servers
    size_t n_listeners;
};

enum guard_verdict { GUARD_PERMITS, GUARD_ADDRESS, GUARD_PORT };

// GUARD_PERMITS: public, or named by the allow list, and a port that may be.
// Private, loopback, link-local, multicast, documentation and other special ranges
// (IANA's registries of special-purpose addresses) are refused, also when an IPv6
// address only carries such an IPv4 one; so are this machine's own addresses, and
// all while they are not known. The engine's own servers are refused even if they
// are on the allow list: a hook could reach what only operators may.
//
// `is_self`: what goes to this address stays on this machine, as the kernel says
// (a local route may hold more addresses than the interfaces have).
enum guard_verdict address_guard_judge(const struct sockaddr *address,
                                       bool is_self,
                                       const struct guard_rules *rules);

// Are the two the same address, whatever their ports?
bool address_guard_same(const struct sockaddr *a, const struct sockaddr *b);

#endif
