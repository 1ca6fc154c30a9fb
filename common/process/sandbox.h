// SPDX-License-Identifier: MIT
// sandbox.h — what a process gives up once it has what it needs.
//
// Three layers, each as far as the kernel supports it; the log says which are
// active.
//   all roles: a user of their own when the engine was started as root, and no
//     capabilities; no new privileges, no core file, no inspection of their memory by
//     others; no exec, ptrace, mounts and the like; no network beyond accepted
//     connections (seccomp); of the file system the data directory, and read access
//     to what libraries and settings need (Landlock)
//   sender, which faces hostile bytes: another user than the other roles; of the file
//     system only what name resolution and TLS read; no listening; only the system
//     calls that its work needs
//
// Builds with a sanitizer skip these layers: sanitizers need more than any role.

#ifndef COMMON_PROCESS_SANDBOX_H
#define COMMON_PROCESS_SANDBOX_H

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/process/role_kind.h"

// Call before the loop is made: libuv from 1.45 on would otherwise create an
// io_uring, whose requests no filter of system calls can inspect.
void sandbox_early(const struct config *config);

// The account that the supervisor chose for this role; false: the role keeps its
// user.
struct account;
bool sandbox_account(struct account *out);

// Switches to the account that the supervisor chose. Exits (log_fatal) if the
// setting `sandbox` is "on" and the switch is refused. Senders switch in
// sandbox_enter().
void sandbox_user(enum role_kind kind, const struct config *config);

// The last step before a role works, after it opened its files. Exits (log_fatal)
// if the setting `sandbox` is "on" and a layer is missing.
void sandbox_enter(enum role_kind kind, const struct config *config);

#endif
