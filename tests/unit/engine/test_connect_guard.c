// SPDX-License-Identifier: MIT
// test_connect_guard.c — whose connections lead to own servers, and what a process gets
// whose connections a guard makes.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/process/control_socket.h"
#include "common/process/seccomp.h"
#include "engine/supervisor/connects/connect_guard.h"
#include "engine/supervisor/connects/own_listeners.h"
#include "tests/support/unit.h"

#define PORT      4711
#define OTHER     4712
#define NO_FILTER 99

// Writes a numeric address.
static struct sockaddr_storage address(const char *text, uint16_t port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = htons(port) };
    struct sockaddr_storage a = { 0 };

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&a, &v4, sizeof(v4));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        memcpy(&a, &v6, sizeof(v6));
    }
    return a;
}

static bool leads(const char *server, const char *to, uint16_t port)
{
    const struct own_listeners own = { .at = { address(server, PORT) },
                                       .n = 1 };
    struct sockaddr_storage a = address(to, port);

    return own_listeners_hold(&own, &a);
}

// --- own_listeners ---

static void a_server_at_all_addresses_is_reached_at_each(void **state)
{
    static const char *const own[] = { "127.0.0.1",  "127.0.0.2",
                                       "127.9.9.9",  "::ffff:127.0.0.1",
                                       "0.0.0.0",    "::ffff:0.0.0.0",
                                       "::",         "fe80::1",
                                       "224.0.0.251" };
    static const char *const others[] = { "192.0.2.99", "198.51.100.7",
                                          "::ffff:192.0.2.99", "2001:db8::7" };

    (void)state;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        assert_true(leads("::", own[i], PORT));
        assert_true(leads("0.0.0.0", own[i], PORT));
        assert_false(leads("::", own[i], OTHER));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(leads("::", others[i], PORT));
        assert_false(leads("0.0.0.0", others[i], PORT));
    }
}

static void a_server_at_one_address_is_reached_there(void **state)
{
    (void)state;
    assert_true(leads("127.0.0.1", "127.0.0.1", PORT));
    assert_true(leads("127.0.0.1", "::ffff:127.0.0.1", PORT));
    assert_true(leads("127.0.0.1", "0.0.0.0", PORT));
    assert_true(leads("::1", "::1", PORT));
    assert_true(leads("::1", "::", PORT));
    assert_false(leads("127.0.0.1", "127.0.0.2", PORT));
    assert_false(leads("127.0.0.1", "127.0.0.1", OTHER));
    assert_false(leads("127.0.0.1", "::1", PORT));
}

static void addresses_of_other_kinds_lead_nowhere(void **state)
{
    const struct own_listeners own = { .at = { address("::", PORT) }, .n = 1 };
    struct sockaddr_storage a = { .ss_family = AF_UNIX };

    (void)state;
    assert_false(own_listeners_hold(&own, &a));
    a.ss_family = AF_UNSPEC;
    assert_false(own_listeners_hold(&own, &a));
}

// --- connect_guard ---

static int listen_at(struct sockaddr_storage *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t n_bytes = sizeof(*at);

    *at = address("127.0.0.1", 0);
    assert_true(fd >= 0);
    assert_int_equal(
        bind(fd, (const struct sockaddr *)at, sizeof(struct sockaddr_in)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &n_bytes), 0);
    return fd;
}

static int try_connect(int fd, const void *to, socklen_t n_bytes)
{
    return connect(fd, to, n_bytes) == 0 ? 0 : errno;
}

static int try_stream(const struct sockaddr_storage *to, int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    int error = try_connect(fd, to, sizeof(struct sockaddr_in));
    struct pollfd wanted = { .fd = fd, .events = POLLOUT };
    socklen_t n_bytes = sizeof(error);

    if (error == EINPROGRESS && flags != 0 && poll(&wanted, 1, 1000) == 1)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n_bytes);
    if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != flags)
        error = ENOTRECOVERABLE;
    close(fd);
    return error;
}

// A socket of this machine, and addresses that are none; returns the number of what went
// wrong.
static int try_nonsense(const struct sockaddr_storage *to, bool makes_sockets)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
    const void *nowhere = (const void *)16;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int ends[2];

    if (try_connect(-1, to, sizeof(*to)) != (makes_sockets ? EACCES : EBADF))
        return 11;
    if (try_connect(fd, nowhere, 16) != EFAULT)
        return 12;
    if (try_connect(fd, to, 1) != EINVAL ||
        try_connect(fd, to, (socklen_t)-1) != EINVAL ||
        try_connect(fd, to, sizeof(*to) + 1) != EINVAL)
        return 13;
    if (try_connect(fd, &name, sizeof(name)) != EAFNOSUPPORT)
        return 14;
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0 ||
        try_connect(ends[0], &name, sizeof(name)) != EACCES)
        return 15;
    return 0;
}

// What the guarded process tries; returns 0, or the number of what went wrong.
static int try_all(const struct sockaddr_storage *own,
                   const struct sockaddr_storage *other, bool makes_sockets)
{
    struct sockaddr_storage nobody = address("127.0.0.1", 1);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (try_stream(own, 0) != EACCES || try_stream(own, O_NONBLOCK) != EACCES)
        return 1;
    if (try_stream(other, 0) != 0 || try_stream(other, O_NONBLOCK) != 0)
        return 2;
    if (try_stream(&nobody, 0) != ECONNREFUSED ||
        try_stream(&nobody, O_NONBLOCK) != ECONNREFUSED)
        return 3;
    if (try_connect(fd, own, sizeof(struct sockaddr_in)) !=
        0) // nobody hears it
        return 4;
    return try_nonsense(other, makes_sockets);
}

static void be_guarded(int control_fd, const struct sockaddr_storage *own,
                       const struct sockaddr_storage *other, bool makes_sockets)
{
    struct control_message m = { .type = CONTROL_CONNECTS };
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    fd = seccomp_notify_connect(makes_sockets);
    if (fd < 0 || control_send(control_fd, &m, fd) != OK)
        _exit(NO_FILTER);
    close(fd);
    _exit(try_all(own, other, makes_sockets));
}

static void check_guarded(bool makes_sockets)
{
    struct own_listeners own = { .n = 0 };
    struct sockaddr_storage own_at, other_at;
    struct control_message m;
    struct pollfd wanted = { .events = POLLIN };
    int own_fd = listen_at(&own_at), other_fd = listen_at(&other_at);
    struct guarded who = { .index = -1,
                           .makes_sockets = makes_sockets,
                           .own = &own };
    int ends[2], fd, status;
    pid_t pid;

    assert_true(own_listeners_add(&own, own_fd));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        be_guarded(ends[1], &own_at, &other_at, makes_sockets);
    close(ends[1]);
    wanted.fd = ends[0];
    assert_int_equal(poll(&wanted, 1, 10000), 1);
    if (control_receive(ends[0], &m, &fd) == OK) {
        assert_int_equal(m.type, CONTROL_CONNECTS);
        who.pid = pid;
        assert_true(connect_guard_start(fd, &who));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    close(ends[0]);
    close(own_fd);
    close(other_fd);
    if (WEXITSTATUS(status) == NO_FILTER)
        skip(); // no notifications here
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_guarded_process_connects_elsewhere_only(void **state)
{
    (void)state;
    check_guarded(false);
}

static void so_does_one_that_gets_its_sockets(void **state)
{
    (void)state;
    check_guarded(true);
}

static void no_guard_for_nobody(void **state)
{
    const struct own_listeners own = { .n = 0 };
    const struct guarded who = { .pid = -1, .index = -1, .own = &own };
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_false(connect_guard_start(ends[0], &who));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(close(ends[0]), -1); // it was the guard's
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_at_all_addresses_is_reached_at_each),
        cmocka_unit_test(a_server_at_one_address_is_reached_there),
        cmocka_unit_test(addresses_of_other_kinds_lead_nowhere),
        cmocka_unit_test(a_guarded_process_connects_elsewhere_only),
        cmocka_unit_test(so_does_one_that_gets_its_sockets),
        cmocka_unit_test(no_guard_for_nobody),
    };

    return cmocka_run_group_tests_name("connect_guard", tests, NULL, NULL);
}
