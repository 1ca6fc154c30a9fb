// SPDX-License-Identifier: MIT
// connect_probe.c — whether the supervisor can connect for its senders.
//
// Whether it can depends on the kernel's version, on the users, on Yama, on filters of
// containers and units, and on security modules. So a child of the same user as a sender,
// with the same kind of filter, tries: the guard that answers it is the real one.

#include "engine/supervisor/connect_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/process/control_socket.h"
#include "common/process/landlock.h"
#include "common/process/seccomp.h"
#include "engine/supervisor/connects/connect_guard.h"

#define PATIENCE_MS  2000
#define DISCARD_PORT 9
#define NO_ANSWER    255 // instead of an errno
#define NO_FILTER    254
#define NO_USER      253
#define NO_SHOW      252

struct attempt {
    const struct accounts *accounts;
    const struct own_listeners *own;
    enum sandbox_connects how;
};

// --- in the child ---

// Connects as a sender would; returns 0 or an errno.
static int connect_to(const struct sockaddr_storage *to, int type)
{
    int fd = socket(to->ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? errno : 0;

    if (error == 0 &&
        connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    return error;
}

// Returns 0 if a server of the engine cannot be reached and another address can.
static int try_both(const struct own_listeners *own)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET,
                              .sin_port = htons(DISCARD_PORT) };
    struct sockaddr_storage elsewhere = { 0 };
    int error = connect_to(own_listeners_first(own), SOCK_STREAM);

    if (error != EACCES)
        return error != 0 ? error : NO_ANSWER;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&elsewhere, &v4, sizeof(v4));
    error = connect_to(&elsewhere, SOCK_DGRAM); // nothing is sent
    return error == ENETUNREACH ? 0 : error;    // loopback may be down
}

// Does not return.
static void be_sender(const struct attempt *a, int control_fd)
{
    struct control_message m = { .type = CONTROL_CONNECTS };
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (a->accounts->has_senders && !account_become(&a->accounts->senders))
        _exit(NO_USER);
    if (!(a->how == CONNECTS_HIDDEN ? sandbox_hide() : sandbox_show()))
        _exit(NO_SHOW);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    fd = seccomp_notify_connect(a->how == CONNECTS_SEEN);
    if (fd < 0 || control_send(control_fd, &m, fd) != OK)
        _exit(NO_FILTER);
    close(fd);
    _exit(try_both(a->own));
}

// --- in the supervisor ---

static bool is_readable_soon(int fd)
{
    struct pollfd wanted = { .fd = fd, .events = POLLIN };

    return poll(&wanted, 1, PATIENCE_MS) > 0;
}

// Answers the child until it has ended; then its end of the socket is closed.
static void answer(const struct attempt *a, int control_fd, pid_t pid)
{
    const struct guarded who = { .pid = pid,
                                 .index = -1,
                                 .makes_sockets = a->how == CONNECTS_SEEN,
                                 .own = a->own };
    struct control_message m;
    int fd = -1;

    if (is_readable_soon(control_fd) &&
        control_receive(control_fd, &m, &fd) == OK && fd >= 0 &&
        connect_guard_start(fd, &who))
        (void)is_readable_soon(control_fd);
}

// Returns 0, an errno, or one of the numbers above.
static int try_one(const struct attempt *a)
{
    int ends[2];
    int status = 0;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        be_sender(a, ends[1]);
    }
    close(ends[1]);
    if (pid > 0) {
        answer(a, ends[0], pid);
        kill(pid, SIGKILL); // no effect on one that has ended
    }
    close(ends[0]);
    if (pid < 0)
        return EAGAIN;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : NO_ANSWER;
}

static const char *reason_of(int error)
{
    switch (error) {
    case NO_FILTER:
        return "the kernel has no notifications of seccomp, or another filter "
               "has them";
    case NO_USER:
        return "this process may not become another user";
    case NO_SHOW:
        return "memory of senders could go into core files: "
               "/proc/self/coredump_filter cannot be written";
    case NO_ANSWER:
        return "no answer";
    case EPERM:
        return "process_vm_readv or pidfd_getfd is refused, by a container's "
               "or a unit's filter, by Yama, or for want of CAP_SYS_PTRACE";
    default:
        return strerror(error);
    }
}

void connect_plan_make(const struct config *config,
                       const struct preflight *preflight,
                       struct connect_plan *out)
{
    struct attempt a = { .accounts = &preflight->accounts,
                         .own = &out->own,
                         .how = CONNECTS_HIDDEN };
    int error;

    *out = (struct connect_plan){ .how = CONNECTS_FREE };
    if (!sandbox_filters(config))
        return;
    if (!own_listeners_add(&out->own, preflight->api_fd) ||
        !own_listeners_add(&out->own, preflight->ingest_fd))
        log_fatal("a listening socket has no address", "errno=%d", errno);
    error = try_one(&a);
    if (error != 0 && !preflight->accounts.has_senders && landlock_is_there()) {
        a.how = CONNECTS_SEEN;
        error = try_one(&a);
    }
    if (error == 0) {
        out->how = a.how;
        return;
    }
    log_warn(
        "a sender that somebody takes over can connect to the engine's own "
        "servers, since the supervisor cannot connect for senders",
        "reason=%s", log_quote(str_of(reason_of(error))));
}
