// SPDX-License-Identifier: MIT
// tcp_acked.h — how many bytes a TCP peer has acknowledged.

#ifndef COMMON_BASE_TCP_ACKED_H
#define COMMON_BASE_TCP_ACKED_H

#include <stdint.h>

// Bytes that the peer of a TCP socket has acknowledged so far; 0 if the kernel does
// not report it.
uint64_t tcp_acked_bytes(int fd);

#endif
