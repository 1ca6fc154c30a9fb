// SPDX-License-Identifier: MIT
// connect_guard.c — makes the connections of a sender, except to the engine itself.
//
// A thread for each sender: the sender decides when its sockets block, and may change
// that between a check and the call, so whoever connects for it may be made to wait. Here
// only that sender waits, and the supervisor's loop is not touched.
//
//   connect() in the sender ──► copy the address ──► a duplicate of the socket
//     ──► judge ──► connect() here ──► its result is the sender's
//
// A duplicate is taken with pidfd_getfd(). Where containers refuse that, the sender's
// sockets are made here and handed over; a duplicate is kept until the socket's first
// connection, and found by the socket's number in the sender. A sender that confuses the
// numbers connects another one of its sockets.
//
// The address is copied once: another thread of the sender may change the original. For
// the same reason the sender's own call is never let go on.
//
// If a signal interrupts the sender's call, the kernel drops the answer and makes the
// call anew: then the socket is connecting, or connected, already.

#include "engine/supervisor/connects/connect_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"

#define WAITING_MAX 32  // sockets that block and are connecting
#define MADE_MAX    128 // sockets that were handed over and not connected yet
#define STACK_BYTES ((size_t)256 * 1024)
#define NOTIFY      0 // in the list for poll()
#define PROCESS     1
#define N_FIXED     2
// Of Linux 6.6: the two processes take turns on one processor, which saves waiting.
#define SET_FLAGS_NOW    SECCOMP_IOW(4, __u64)
#define SYNC_WAKE_UP_NOW 1UL

// A call to connect(), and what it is about.
struct call {
    uint64_t id;
    int theirs; // the socket, in the sender
    int fd;     // the duplicate
    int type;
    socklen_t n_bytes;
    struct sockaddr_storage to;
};

// A call on a socket that blocks, which is answered when the connection is made.
struct waiting {
    struct call call;
    int flags; // of the socket, before it was made not to block
};

// A socket that was handed over.
struct made {
    int theirs; // its number in the sender
    int fd;
};

struct guard {
    int notify_fd;
    int pid_fd;
    struct guarded who;
    struct own_listeners own;
    struct made made[MADE_MAX]; // the oldest first
    size_t n_made;
    struct waiting waiting[WAITING_MAX];
    size_t n_waiting;
    bool has_lost_reply;
    bool has_warned;
};

// `error`: an errno, or 0: the call succeeded. The call may be gone: then nobody waits.
static void reply(struct guard *g, uint64_t id, int error)
{
    struct seccomp_notif_resp answer = { .id = id, .error = -error };

    g->has_lost_reply =
        ioctl(g->notify_fd, SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0;
}

// --- sockets that are made here ---

static void forget_at(struct guard *g, size_t i)
{
    close(g->made[i].fd);
    g->n_made--;
    memmove(&g->made[i], &g->made[i + 1], (g->n_made - i) * sizeof(g->made[0]));
}

static void forget(struct guard *g, int theirs)
{
    for (size_t i = 0; i < g->n_made; i++) {
        if (g->made[i].theirs == theirs) {
            forget_at(g, i);
            return;
        }
    }
}

// The sender has closed an earlier socket of the same number.
static void keep(struct guard *g, int theirs, int fd)
{
    forget(g, theirs);
    if (g->n_made == MADE_MAX)
        forget_at(g, 0);
    g->made[g->n_made++] = (struct made){ .theirs = theirs, .fd = fd };
}

static void make_socket(struct guard *g, const struct seccomp_notif *n)
{
    int type = (int)n->data.args[1];
    int fd =
        socket((int)n->data.args[0], type | SOCK_CLOEXEC, (int)n->data.args[2]);
    struct seccomp_notif_addfd theirs = {
        .id = n->id,
        .flags = SECCOMP_ADDFD_FLAG_SEND, // and that is the answer
        .srcfd = (uint32_t)fd,
        .newfd_flags = (type & SOCK_CLOEXEC) != 0 ? O_CLOEXEC : 0
    };
    int number =
        fd < 0 ? -1 : ioctl(g->notify_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &theirs);

    if (number < 0)
        reply(g, n->id, errno);
    if (number >= 0) {
        keep(g, number, fd);
    } else if (fd >= 0) {
        close(fd);
    }
}

// A duplicate of the sender's socket, or -1 (errno).
static int duplicate(const struct guard *g, int theirs)
{
    if (!g->who.makes_sockets)
        return (int)syscall(SYS_pidfd_getfd, g->pid_fd, theirs, 0);
    for (size_t i = 0; i < g->n_made; i++) {
        if (g->made[i].theirs == theirs)
            return fcntl(g->made[i].fd, F_DUPFD_CLOEXEC, 0);
    }
    errno = EACCES;
    return -1;
}

// --- what is asked for ---

// Copies the address out of the sender; returns an errno.
static int copy_address(const struct seccomp_notif *n, struct call *out)
{
    int n_bytes = (int)n->data.args[2];
    struct iovec to = { .iov_base = &out->to };
    struct iovec from;

    if (n_bytes < (int)sizeof(sa_family_t) || n_bytes > (int)sizeof(out->to))
        return EINVAL;
    to.iov_len = (size_t)n_bytes;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address in another process
    from.iov_base = (void *)(uintptr_t)n->data.args[1];
    from.iov_len = to.iov_len;
    out->n_bytes = (socklen_t)n_bytes;
    if (process_vm_readv((pid_t)n->pid, &to, 1, &from, 1, 0) == n_bytes)
        return 0;
    return errno == EPERM ? EPERM : EFAULT;
}

static int option(int fd, int name)
{
    int value = -1;
    socklen_t n_bytes = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &n_bytes) == 0 ? value : -1;
}

// Duplicates the sender's socket; returns an errno. Only sockets of the network are
// connected: a unix socket would be connected with the supervisor's rights.
static int copy_socket(const struct guard *g, const struct seccomp_notif *n,
                       struct call *out)
{
    int domain;

    out->theirs = (int)n->data.args[0];
    out->fd = duplicate(g, out->theirs);
    if (out->fd < 0)
        return errno;
    domain = option(out->fd, SO_DOMAIN);
    out->type = option(out->fd, SO_TYPE);
    if (domain != AF_INET && domain != AF_INET6)
        return EACCES;
    if (out->to.ss_family != AF_INET && out->to.ss_family != AF_INET6 &&
        out->to.ss_family != AF_UNSPEC) // the last one disconnects
        return EAFNOSUPPORT;
    return 0;
}

// --- judging and connecting ---

static bool leads_to_own(struct guard *g, const struct call *c)
{
    if (c->type == SOCK_DGRAM || !own_listeners_hold(&g->own, &c->to))
        return false;
    if (!g->has_warned && g->who.index >= 0) {
        log_warn("a sender tried to connect to the engine's own server and was "
                 "refused; somebody may have taken it over",
                 "index=%d pid=%d", g->who.index, g->who.pid);
    }
    g->has_warned = true;
    return true;
}

// As connect(); returns an errno.
static int try_connect(struct guard *g, const struct call *c)
{
    int error = connect(c->fd, (const struct sockaddr *)&c->to, c->n_bytes) == 0
                    ? 0
                    : errno;

    if (error == EALREADY)
        return EINPROGRESS;
    return error == EISCONN && g->has_lost_reply ? 0 : error;
}

// Answers, and lets go of the socket, unless the call will be made again: the sender's
// close() must end the connection.
static void reply_connect(struct guard *g, const struct call *c, int error)
{
    reply(g, c->id, error);
    if (!g->has_lost_reply)
        forget(g, c->theirs);
}

// A socket that blocks: connects without blocking, and answers later. Returns whether the
// duplicate is kept.
static bool connect_slowly(struct guard *g, const struct call *c, int flags)
{
    int error;

    if (g->n_waiting == WAITING_MAX) {
        reply(g, c->id, EAGAIN);
        return false;
    }
    (void)fcntl(c->fd, F_SETFL, flags | O_NONBLOCK);
    error = try_connect(g, c);
    if (error == EINPROGRESS) {
        g->waiting[g->n_waiting++] =
            (struct waiting){ .call = *c, .flags = flags };
        return true;
    }
    (void)fcntl(c->fd, F_SETFL, flags);
    reply_connect(g, c, error);
    return false;
}

static void finish_waiting(struct guard *g, size_t i)
{
    struct waiting w = g->waiting[i];
    int error = option(w.call.fd, SO_ERROR);

    g->waiting[i] = g->waiting[--g->n_waiting];
    (void)fcntl(w.call.fd, F_SETFL, w.flags);
    reply_connect(g, &w.call, error >= 0 ? error : EIO);
    close(w.call.fd);
}

// Returns whether the duplicate is kept.
static bool decide(struct guard *g, const struct call *c)
{
    int flags = fcntl(c->fd, F_GETFL);

    if (leads_to_own(g, c)) {
        reply(g, c->id, EACCES);
        return false;
    }
    if (c->type == SOCK_STREAM && (flags & O_NONBLOCK) == 0)
        return connect_slowly(g, c, flags);
    reply_connect(g, c, try_connect(g, c));
    return false;
}

static void serve(struct guard *g)
{
    struct seccomp_notif n = { 0 };
    struct call c = { .fd = -1 };
    bool is_kept = false;
    int error;

    if (ioctl(g->notify_fd, SECCOMP_IOCTL_NOTIF_RECV, &n) != 0)
        return; // the call is gone, with its thread
    if (n.data.nr == SYS_socket) {
        make_socket(g, &n);
        return;
    }
    c.id = n.id;
    error = copy_address(&n, &c);
    if (error == 0)
        error = copy_socket(g, &n, &c);
    // If the call is gone, its number of a process may be another one's by now.
    if (ioctl(g->notify_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id) == 0) {
        if (error != 0) {
            reply(g, n.id, error);
        } else {
            is_kept = decide(g, &c);
        }
    }
    if (c.fd >= 0 && !is_kept)
        close(c.fd);
}

// --- the thread ---

static void clear(struct guard *g)
{
    for (size_t i = 0; i < g->n_waiting; i++)
        close(g->waiting[i].call.fd);
    while (g->n_made > 0)
        forget_at(g, g->n_made - 1);
    close(g->notify_fd);
    if (g->pid_fd >= 0)
        close(g->pid_fd);
    free(g);
}

// Reading a notification blocks if there is none, so the poll must have seen one.
static void *run(void *data)
{
    struct guard *g = data;
    bool is_over = false;

    (void)ioctl(g->notify_fd, SET_FLAGS_NOW, SYNC_WAKE_UP_NOW); // if there is
    while (!is_over) {
        struct pollfd fds[N_FIXED + WAITING_MAX] = {
            [NOTIFY] = { .fd = g->notify_fd, .events = POLLIN },
            [PROCESS] = { .fd = g->pid_fd, .events = POLLIN },
        };
        size_t n = g->n_waiting;

        for (size_t i = 0; i < n; i++) {
            fds[N_FIXED + i] = (struct pollfd){ .fd = g->waiting[i].call.fd,
                                                .events = POLLOUT };
        }
        if (poll(fds, N_FIXED + n, -1) < 0)
            continue;     // no memory now; no signal comes here
        while (n-- > 0) { // backwards: one that ends is replaced by the last
            if (fds[N_FIXED + n].revents != 0)
                finish_waiting(g, n);
        }
        is_over = fds[PROCESS].revents != 0 ||
                  (fds[NOTIFY].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
        if (!is_over && (fds[NOTIFY].revents & POLLIN) != 0)
            serve(g);
    }
    clear(g);
    return NULL;
}

// Signals are the main thread's.
static int start_thread(struct guard *g)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int error = pthread_attr_init(&attributes);

    if (error != 0)
        return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, run, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

bool connect_guard_start(int notify_fd, const struct guarded *who)
{
    struct guard *g = xcalloc(1, sizeof(*g));
    int error;

    g->notify_fd = notify_fd;
    g->who = *who;
    g->own = *who->own;
    g->who.own = &g->own;
    g->pid_fd = (int)syscall(SYS_pidfd_open, who->pid, 0);
    error = g->pid_fd < 0 ? errno : start_thread(g);
    if (error == 0)
        return true;
    clear(g);
    errno = error;
    return false;
}
