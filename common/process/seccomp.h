// SPDX-License-Identifier: MIT
// seccomp.h — filters that restrict which system calls a process may make.

#ifndef COMMON_PROCESS_SECCOMP_H
#define COMMON_PROCESS_SECCOMP_H

#include <stdbool.h>

// All of these return false if the kernel has no such filter.

// Forbids io_uring; changes nothing else.
bool seccomp_no_ring(void);

// The replicator: it connects to the servers of its cluster, and its library makes the
// sockets; only calls that no role makes are refused.
bool seccomp_replicator(void);

// Both filters end the process on calls that only an intruder makes (exec, ptrace,
// mounts, other users, modules …); no other process can be made or signalled, and
// no memory is both writable and executable.
// This one also fails calls that a sender does not need with EPERM: it has TCP and
// UDP sockets only, and may change only its own limits. With `notify_fd` each call of
// connect() waits until whoever has that descriptor, which the caller then owns, answers
// it (seccomp_unotify(2)), and so does socket() with `with_sockets`; NULL: a sender
// connects by itself.
bool seccomp_sender(int *notify_fd, bool with_sockets);
// Of a relay: like that of a sender, but it has TCP sockets only, connects by itself, and
// may accept connections, at `listen_fd` alone.
bool seccomp_relay(int listen_fd);
// This one also forbids the network, except for accepted connections.
bool seccomp_other(void);

// For a process that tries whether somebody can answer for it: a filter that only makes
// connect() wait, and perhaps socket(). Returns the descriptor, or -1: the kernel has no
// such filter.
int seccomp_notify_connect(bool with_sockets);

#endif
