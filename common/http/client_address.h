// SPDX-License-Identifier: MIT
// client_address.h — who a request comes from, where reverse proxies stand before us.
//
// Each proxy appends to X-Forwarded-For the address from which it got the request, so
// the list is read from its end, and only as far as those who wrote it are trusted: what
// stands before that, anybody may have written.

#ifndef COMMON_HTTP_CLIENT_ADDRESS_H
#define COMMON_HTTP_CLIENT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

struct cidrs;
struct sockaddr_storage;

#define CLIENT_ADDRESS_BYTES 16 // IPv6; IPv4 as ::ffff:a.b.c.d

// The address of a connection that comes from there; zeros for one that is neither IPv4
// nor IPv6.
void client_address_of(const struct sockaddr_storage *from,
                       uint8_t out[CLIENT_ADDRESS_BYTES]);

bool client_address_is_proxy(const struct cidrs *proxies,
                             const uint8_t address[CLIENT_ADDRESS_BYTES]);

// Reads one value of X-Forwarded-For from its end. `address` is that of a trusted proxy,
// which wrote the last entry; it becomes the first address that is not a trusted proxy's
// or, if all are, the first of the value. An entry is an IPv4 or IPv6 address, perhaps
// with a port (an IPv6 address is then in brackets). False: reading ends here, with an
// address of no proxy or with an entry of another form, which says nothing about who was
// before.
bool client_address_read(const struct cidrs *proxies, struct str value,
                         uint8_t address[CLIENT_ADDRESS_BYTES]);

// Writes the address as text; `out` has room for INET6_ADDRSTRLEN bytes or more.
void client_address_put(const uint8_t address[CLIENT_ADDRESS_BYTES], char *out,
                        size_t n_bytes);

#endif
