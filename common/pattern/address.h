// SPDX-License-Identifier: MIT
// address.h — IP addresses and blocks of them, as texts.

#ifndef COMMON_PATTERN_ADDRESS_H
#define COMMON_PATTERN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

// How many bytes the address has: 4 or 16; 0: it is none. An IPv6 address that stands
// for one of IPv4 (::ffff:a00:1) has 4. Addresses of IPv6 that end like those of IPv4 are
// none, as in the language.
size_t address_of(struct str text, uint8_t out[16]);

// "10.0.0.0/8": the address with the bits behind the prefix cleared, and the prefix'
// length, which leaves at least one bit. 0: it is none.
size_t network_of(struct str text, uint8_t out[16], uint8_t *n_bits);

// Both have the same length, of 4 or 16 bytes.
bool network_has(const uint8_t *network, size_t n_bytes, uint8_t n_bits,
                 const uint8_t *address);

// Appends the address as it is usually written.
struct buf;
void address_put(const uint8_t *address, size_t n_bytes, struct buf *out);

#endif
