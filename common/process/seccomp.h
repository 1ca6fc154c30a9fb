// SPDX-License-Identifier: MIT
// seccomp.h — which system calls a process may make.

#ifndef COMMON_PROCESS_SECCOMP_H
#define COMMON_PROCESS_SECCOMP_H

#include <stdbool.h>

// All: false, the kernel has no such filter.

// No io_uring can be made; nothing else changes.
bool seccomp_no_ring(void);

// Both: what only an intruder does (exec, ptrace, mounts, other users, modules …)
// ends the process; no other process can be made, or be sent a signal, and no memory
// is both written and run.
// Besides, what the work of a sender does not need fails with EPERM: of sockets it
// has TCP and UDP, of limits its own.
bool seccomp_sender(void);
// Besides, there is no way to the network but what is accepted.
bool seccomp_other(void);

#endif
