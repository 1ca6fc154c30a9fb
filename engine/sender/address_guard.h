// SPDX-License-Identifier: MIT
// address_guard.h — which addresses a delivery may connect to.
//
// Pure. Checks the binary address of each connection, after name resolution, so
// that no spelling of a URL and no change of a name's address gets past it.

#ifndef ENGINE_SENDER_ADDRESS_GUARD_H
#define ENGINE_SENDER_ADDRESS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/config/config.h"

// All pointers are borrowed.
struct address_guard_rules {
    const struct cidr *allow; // permitted even if private or special
    size_t n_allow;
    const struct port_range *ports; // permitted ports
    size_t n_ports;
    bool is_local_known; // false: any address may be this machine's
    const struct sockaddr_storage *local; // addresses of this machine
    size_t n_local;
    const struct sockaddr_storage *listeners; // the engine's own servers
    size_t n_listeners;
};

enum address_guard_verdict {
    ADDRESS_PERMITTED,
    ADDRESS_REFUSED,
    ADDRESS_PORT_REFUSED
};

// ADDRESS_PERMITTED: the address is public, or on the allow list, and the port is
// permitted. Private, loopback, link-local, multicast, documentation and other special
// ranges (IANA's registries of special-purpose addresses) are refused, also if an IPv6
// address only carries such an IPv4 address. This machine's own addresses are refused,
// and all addresses while its own are unknown. The engine's own servers are refused
// even if they are on the allow list: a hook could reach what only operators may.
//
// `is_self`: according to the kernel, what is sent to this address stays on this
// machine (a local route may have more addresses than the interfaces).
enum address_guard_verdict
address_guard_check(const struct sockaddr *address, bool is_self,
                    const struct address_guard_rules *rules);

// Whether both are the same address, whatever their ports.
bool address_guard_same(const struct sockaddr *a, const struct sockaddr *b);

#endif
