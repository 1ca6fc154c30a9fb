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
//   sender, exporter and relay, which face bytes of others: another user than the other
//     roles; of the file system only what name resolution and TLS read; no listening,
//     but a relay accepts at the socket that it was given; only the system calls that
//     its work needs
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

// Whether roles get filters: not with `sandbox = off`, nor in a build with a sanitizer.
bool sandbox_filters(const struct config *config);

// How the supervisor can connect for senders. It needs access to their memory, which the
// kernel grants for a process that hides (is not "dumpable") only to CAP_SYS_PTRACE.
// Without that, and with a user in common, senders must not hide. Then Landlock keeps the
// other roles from them, and nothing of their memory goes into a core file. And the
// supervisor makes their sockets, since containers refuse it the call that duplicates a
// socket of another process.
enum sandbox_connects {
    CONNECTS_FREE,   // they connect by themselves
    CONNECTS_HIDDEN, // the supervisor connects for them
    CONNECTS_SEEN    // it makes their sockets, too, and they do not hide
};

// The texts of CONTROL_ENV_CONNECTS, "" for CONNECTS_FREE.
const char *sandbox_connects_text(enum sandbox_connects connects);

// Hides this process. False (errno): the kernel refused.
bool sandbox_hide(void);

// Lets processes of the same user look into this one, as far as Landlock lets them. False:
// it is hidden, since its memory could go into a core file.
bool sandbox_show(void);

// Switches to the account that the supervisor chose. Exits (log_fatal) if the
// setting `sandbox` is "on" and the switch is refused. Senders switch in
// sandbox_enter().
void sandbox_user(enum role_kind kind, const struct config *config);

// The last step before a role works, after it opened its files. Exits (log_fatal)
// if the setting `sandbox` is "on" and a layer is missing.
void sandbox_enter(enum role_kind kind, const struct config *config);

#endif
