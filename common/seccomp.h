// seccomp.h — which system calls a process may make (x86-64 and arm64).

#ifndef COMMON_SECCOMP_H
#define COMMON_SECCOMP_H

#include <stdbool.h>

// All: false, the kernel, or this machine, has no such filter.

// No io_uring can be made; nothing else changes.
bool seccomp_no_ring(void);

// Both: what only an intruder does (exec, ptrace, mounts, other users, modules …)
// ends the process.
// Besides, what the work of a sender does not need fails with EPERM.
bool seccomp_sender(void);
// Besides, no connection to a network can be made.
bool seccomp_other(void);

#endif
