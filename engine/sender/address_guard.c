// SPDX-License-Identifier: MIT
// address_guard.c — which addresses a delivery may connect to.

#include "engine/sender/address_guard.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct range {
    uint8_t address[16];
    uint8_t n_bits;
};

#define V4(a, b, c, d, bits)                                                  \
    {                                                                         \
        { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }, 96 + (bits) \
    }

// IANA's registries of special-purpose addresses, and what smokescreen, GitLab and Svix
// refuse in addition.
static const struct range denied[] = {
    V4(0, 0, 0, 0, 8),
    V4(10, 0, 0, 0, 8),
    V4(100, 64, 0, 0, 10),
    V4(127, 0, 0, 0, 8),
    V4(169, 254, 0, 0, 16),
    V4(172, 16, 0, 0, 12),
    V4(192, 0, 0, 0, 24),
    V4(192, 0, 2, 0, 24),
    V4(192, 88, 99, 0, 24),
    V4(192, 168, 0, 0, 16),
    V4(198, 18, 0, 0, 15),
    V4(198, 51, 100, 0, 24),
    V4(203, 0, 113, 0, 24),
    V4(224, 0, 0, 0, 4),
    V4(240, 0, 0, 0, 4),
    { { 0x01, 0x00 }, 64 },                   // 100::/64, discard
    { { 0x01, 0x00, 0, 0, 0, 0, 0, 1 }, 64 }, // 100:0:0:1::/64, dummy
    { { 0x20, 0x01, 0x00, 0x00 }, 23 },       // 2001::/23: Teredo and others
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },       // documentation
    { { 0x3f, 0xff, 0x00 }, 20 },             // documentation
    { { 0x5f, 0x00 }, 16 },                   // segment routing
    { { 0xfc, 0x00 }, 7 },                    // unique local
    { { 0xfe, 0x80 }, 10 },                   // link-local
    { { 0xfe, 0xc0 }, 10 },                   // site-local, deprecated
    { { 0xff, 0x00 }, 8 },                    // multicast
};

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t nat64_prefix[12] = { 0x00, 0x64, 0xff, 0x9b };
static const uint8_t nat64_local_prefix[6] = { 0x00, 0x64, 0xff,
                                               0x9b, 0x00, 0x01 };

static bool holds(const struct range *range, const uint8_t address[16])
{
    size_t n_whole = range->n_bits / 8;
    unsigned n_rest = range->n_bits % 8u;

    if (memcmp(address, range->address, n_whole) != 0)
        return false;
    return n_rest == 0 ||
           ((address[n_whole] ^ range->address[n_whole]) >> (8 - n_rest)) == 0;
}

static bool is_denied(const uint8_t address[16])
{
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        if (holds(&denied[i], address))
            return true;
    }
    return false;
}

static void map_v4(const uint8_t v4[4], uint8_t out[16])
{
    memcpy(out, mapped_prefix, sizeof(mapped_prefix));
    memcpy(out + 12, v4, 4);
}

// An IPv6 address that carries an IPv4 address is checked by that, or refused if its
// range can have no public address.
static bool carries_denied(const uint8_t a[16])
{
    static const uint8_t zeros[12];
    uint8_t inner[16];

    if (memcmp(a, zeros, sizeof(zeros)) == 0)
        return true; // ::, ::1, v4-compatible (deprecated)
    if (memcmp(a, nat64_local_prefix, sizeof(nat64_local_prefix)) == 0)
        return true; // 64:ff9b:1::/48, local use
    if (memcmp(a, nat64_prefix, sizeof(nat64_prefix)) == 0) {
        map_v4(a + 12, inner);
        return is_denied(inner);
    }
    return a[0] == 0x20 && a[1] == 0x02; // 6to4, deprecated
}

// Writes the address as IPv6. False: it is neither IPv4 nor IPv6.
static bool bytes_of(const struct sockaddr *address, uint8_t out[16],
                     uint16_t *port)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof(v4));
        map_v4((const uint8_t *)&v4.sin_addr, out);
        *port = ntohs(v4.sin_port);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof(v6));
        memcpy(out, &v6.sin6_addr, 16);
        *port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

static bool is_local(const uint8_t address[16],
                     const struct address_guard_rules *rules)
{
    for (size_t i = 0; i < rules->n_local; i++) {
        uint8_t local[16];
        uint16_t port;

        if (bytes_of((const struct sockaddr *)&rules->local[i], local, &port) &&
            memcmp(local, address, sizeof(local)) == 0)
            return true;
    }
    return false;
}

// Whether it is 0.0.0.0 or ::, written as IPv6.
static bool is_any(const uint8_t address[16])
{
    static const uint8_t zeros[16];

    return memcmp(address, zeros, 16) == 0 ||
           (memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0 &&
            memcmp(address + 12, zeros, 4) == 0);
}

static bool is_loopback(const uint8_t address[16])
{
    static const uint8_t loopback[16] = { [15] = 1 };

    return memcmp(address, loopback, 16) == 0 ||
           (memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0 &&
            address[12] == 127);
}

// A server that listens on every address is reached at each of this machine's
// addresses. A server on loopback is also reached at the "any" address, which the
// kernel takes for loopback.
static bool is_listener(const uint8_t address[16], uint16_t port, bool is_self,
                        const struct address_guard_rules *rules)
{
    for (size_t i = 0; i < rules->n_listeners; i++) {
        uint8_t server[16];
        uint16_t server_port;

        if (!bytes_of((const struct sockaddr *)&rules->listeners[i], server,
                      &server_port) ||
            server_port != port)
            continue;
        if (memcmp(server, address, 16) == 0 ||
            (is_any(server) &&
             (is_self || is_loopback(address) || is_local(address, rules))) ||
            (is_any(address) && (is_any(server) || is_loopback(server))))
            return true;
    }
    return false;
}

// An allow entry with a port permits the port, too; an entry without one permits the
// addresses only.
static bool is_allowed(const struct sockaddr *address, bool has_port,
                       const struct address_guard_rules *rules)
{
    for (size_t i = 0; i < rules->n_allow; i++) {
        if ((!has_port || rules->allow[i].port != 0) &&
            cidr_holds(&rules->allow[i], address))
            return true;
    }
    return false;
}

enum address_guard_verdict
address_guard_check(const struct sockaddr *address, bool is_self,
                    const struct address_guard_rules *rules)
{
    uint8_t bytes[16];
    uint16_t port;

    if (!bytes_of(address, bytes, &port) ||
        is_listener(bytes, port, is_self, rules))
        return ADDRESS_REFUSED;
    if (!is_allowed(address, false, rules) &&
        (is_self || !rules->is_local_known || is_denied(bytes) ||
         carries_denied(bytes) || is_local(bytes, rules)))
        return ADDRESS_REFUSED;
    return port_is_among(port, rules->ports, rules->n_ports) ||
                   is_allowed(address, true, rules)
               ? ADDRESS_PERMITTED
               : ADDRESS_PORT_REFUSED;
}

bool address_guard_same(const struct sockaddr *a, const struct sockaddr *b)
{
    uint8_t left[16], right[16];
    uint16_t port;

    return bytes_of(a, left, &port) && bytes_of(b, right, &port) &&
           memcmp(left, right, sizeof(left)) == 0;
}
