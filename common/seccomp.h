// seccomp.h — which system calls a process may make (x86-64 and arm64).

#ifndef COMMON_SECCOMP_H
#define COMMON_SECCOMP_H

#include <stdbool.h>

// Both: what only an intruder does (exec, ptrace, mounts, other users, modules …)
// ends the process; false: the kernel, or this machine, has no such filter.

// Besides, what the work of a sender does not need fails with EPERM.
bool seccomp_sender(void);
// Besides, no connection to a network can be made.
bool seccomp_other(void);

#endif
