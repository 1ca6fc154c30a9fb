// SPDX-License-Identifier: MIT
// secure.h — TLS for the generator's connections. Certificates are not checked: the
// peer is on this machine, and what is measured is its work.

#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <stddef.h>
#include <sys/types.h>

struct secure;

// Shakes hands over a socket that blocks, and waits for the end of it. NULL: it failed,
// which is printed.
struct secure *secure_open(int fd);
void secure_close(struct secure *s); // NULL is fine; the socket stays

// As send() and recv() with MSG_DONTWAIT.
ssize_t secure_write(struct secure *s, const char *at, size_t n_bytes);
ssize_t secure_read(struct secure *s, char *at, size_t room);

#endif
