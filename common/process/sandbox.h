// SPDX-License-Identifier: MIT
// sandbox.h — what a process gives up once it has what it needs.
//
// Three layers, each as far as the kernel has it; the log says which hold.
//   all roles: a user of their own when the engine was started as root, and no
//     capabilities; no new privileges, no core file, nobody else may look into the
//     memory; no exec, no ptrace, no mounts and their like, no way to the network
//     but what is accepted (seccomp); of the file system the data directory, and to
//     read what libraries and settings need (Landlock)
//   sender, which faces hostile bytes: another user than the others; of the file
//     system only what name resolution and TLS read; no servers; only the system
//     calls that its work needs
//
// Builds with a sanitizer keep out of it: those need more than any role.

#ifndef COMMON_PROCESS_SANDBOX_H
#define COMMON_PROCESS_SANDBOX_H

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/process/role_kind.h"

// Before the loop is made: libuv from 1.45 on would have a ring to the kernel, which
// no filter of system calls looks into.
void sandbox_early(const struct config *config);

// The account that the supervisor chose for this role; false: it stays who it is.
struct account;
bool sandbox_account(struct account *out);

// Becomes the account that the supervisor chose. Exits (log_fatal) if the setting
// `sandbox` is "on" and that is forbidden. Senders do it in sandbox_enter().
void sandbox_user(enum role_kind kind, const struct config *config);

// The last step before a role works; after it opened its files. Exits
// (log_fatal) if the setting `sandbox` is "on" and a layer is missing.
void sandbox_enter(enum role_kind kind, const struct config *config);

#endif
