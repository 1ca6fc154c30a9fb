// SPDX-License-Identifier: MIT
// connect.c — an intruder in a sender connects to the engine's own servers.
//
// The URL names the targets: api and ingest (ports of the engine), own (an address of
// this machine that is not loopback), plain (the port of a receiver at 127.0.0.1).

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

#define WAIT_MS 1000
#define RACES   3000
#define NOBODY  1 // a port on which nobody listens
#define FLOODS  4 // threads

struct target {
    struct sockaddr_storage at;
    socklen_t n_bytes;
};

static uint16_t port_of(const char *name)
{
    return (uint16_t)strtoul(asked(name), NULL, 10);
}

static struct target target_at(const char *address, uint16_t port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = htons(port) };
    struct target t = { .n_bytes = sizeof(v4) };

    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
        memcpy(&t.at, &v4, sizeof(v4));
        return t;
    }
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
        abort();
    memcpy(&t.at, &v6, sizeof(v6));
    t.n_bytes = sizeof(v6);
    return t;
}

// Whether the socket is, or soon gets, connected to a server of the engine.
static bool is_connected(int fd)
{
    struct pollfd wanted = { .fd = fd, .events = POLLOUT };
    struct sockaddr_storage peer = { 0 };
    socklen_t n_bytes = sizeof(peer);
    struct sockaddr_in v4;
    uint16_t port;

    if (poll(&wanted, 1, WAIT_MS) != 1 ||
        getpeername(fd, (struct sockaddr *)&peer, &n_bytes) != 0)
        return false;
    memcpy(&v4, &peer, sizeof(v4)); // the port lies at the same place in both
    port = ntohs(v4.sin_port);
    return port == port_of("api") || port == port_of("ingest");
}

// Connects a socket of this type to the target, which has to be one of the engine's.
static bool reach_by(const struct target *t, int type)
{
    int fd = socket(t->at.ss_family, type, 0);
    bool is_done =
        fd >= 0 &&
        (connect(fd, (const struct sockaddr *)&t->at, t->n_bytes) == 0 ||
         errno == EINPROGRESS) &&
        is_connected(fd);

    if (fd >= 0)
        close(fd);
    return is_done;
}

static bool reach(const char *address, const char *port)
{
    struct target t = target_at(address, port_of(port));

    return reach_by(&t, SOCK_STREAM | SOCK_NONBLOCK);
}

static bool api_by_loopback(void)
{
    return reach("127.0.0.1", "api");
}

static bool api_by_loopback_6(void)
{
    return reach("::1", "api");
}

static bool api_by_other_loopback(void)
{
    return reach("127.0.0.2", "api");
}

static bool api_by_own_address(void)
{
    char address[64];

    snprintf(address, sizeof(address), "%s", asked("own"));
    return reach(address, "api");
}

static bool api_by_mapped(void)
{
    return reach("::ffff:127.0.0.1", "api");
}

static bool api_by_mapped_own_address(void)
{
    char address[64];

    snprintf(address, sizeof(address), "::ffff:%s", asked("own"));
    return reach(address, "api");
}

static bool api_by_any(void)
{
    return reach("0.0.0.0", "api");
}

static bool api_by_any_6(void)
{
    return reach("::", "api");
}

static bool api_by_mapped_any(void)
{
    return reach("::ffff:0.0.0.0", "api");
}

static bool intake_by_loopback(void)
{
    return reach("127.0.0.1", "ingest");
}

static bool api_while_waiting(void)
{
    struct target t = target_at("127.0.0.1", port_of("api"));

    return reach_by(&t, SOCK_STREAM);
}

// --- by other calls than a plain connect() ---

static bool send_to(int fd, const struct target *t, int how)
{
    char byte = 'x';
    struct iovec bytes = { .iov_base = &byte, .iov_len = 1 };
    struct sockaddr_storage at = t->at;
    struct mmsghdr m = { .msg_hdr = { .msg_name = &at,
                                      .msg_namelen = t->n_bytes,
                                      .msg_iov = &bytes,
                                      .msg_iovlen = 1 } };

    switch (how) {
    case 0:
        return sendto(fd, &byte, 1, MSG_FASTOPEN, (const struct sockaddr *)&at,
                      t->n_bytes) == 1;
    case 1:
        return sendmsg(fd, &m.msg_hdr, MSG_FASTOPEN) == 1;
    default:
        return sendmmsg(fd, &m, 1, MSG_FASTOPEN) == 1;
    }
}

static bool reach_by_sending(int how)
{
    struct target t = target_at("127.0.0.1", port_of("api"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool is_done = fd >= 0 && send_to(fd, &t, how) && is_connected(fd);

    if (fd >= 0)
        close(fd);
    return is_done;
}

static bool api_by_sendto(void)
{
    return reach_by_sending(0);
}

static bool api_by_sendmsg(void)
{
    return reach_by_sending(1);
}

static bool api_by_sendmmsg(void)
{
    return reach_by_sending(2);
}

// Such a socket connects when it first sends.
static bool api_by_late_sending(void)
{
    struct target t = target_at("127.0.0.1", port_of("api"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;
    bool is_done =
        fd >= 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)) ==
            0 &&
        connect(fd, (const struct sockaddr *)&t.at, t.n_bytes) == 0 &&
        send(fd, "x", 1, MSG_NOSIGNAL) == 1 && is_connected(fd);

    if (fd >= 0)
        close(fd);
    return is_done;
}

// A socket that was connected elsewhere before.
static bool api_after_another(void)
{
    struct target api = target_at("127.0.0.1", port_of("api"));
    struct target plain = target_at("127.0.0.1", port_of("plain"));
    struct sockaddr none = { .sa_family = AF_UNSPEC };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool is_done =
        fd >= 0 &&
        connect(fd, (const struct sockaddr *)&plain.at, plain.n_bytes) == 0 &&
        connect(fd, &none, sizeof(none)) == 0 &&
        connect(fd, (const struct sockaddr *)&api.at, api.n_bytes) == 0 &&
        is_connected(fd);

    if (fd >= 0)
        close(fd);
    return is_done;
}

// --- races ---

static struct target racing; // connect() reads it, and a thread changes it
static atomic_bool is_race_over;
static uint16_t racing_port;

static void set_port(uint16_t port)
{
    struct sockaddr_in v4;

    memcpy(&v4, &racing.at, sizeof(v4));
    v4.sin_port = htons(port);
    memcpy(&racing.at, &v4, sizeof(v4));
    atomic_signal_fence(memory_order_seq_cst);
}

static void *change_port(void *data)
{
    (void)data;
    while (!atomic_load(&is_race_over)) {
        set_port(NOBODY);
        set_port(racing_port);
    }
    return NULL;
}

// Calls connect() with an address that another thread changes meanwhile.
static bool api_by_race(void)
{
    pthread_t thread;
    bool is_done = false;

    racing = target_at("127.0.0.1", NOBODY);
    racing_port = port_of("api");
    atomic_store(&is_race_over, false);
    if (pthread_create(&thread, NULL, change_port, NULL) != 0)
        abort();
    for (int i = 0; i < RACES && !is_done; i++)
        is_done = reach_by(&racing, SOCK_STREAM | SOCK_NONBLOCK);
    atomic_store(&is_race_over, true);
    pthread_join(thread, NULL);
    return is_done;
}

// --- sockets of this machine ---

// A datagram to a unix socket, by a pair whose one end is connected anew.
static bool unix_by_pair(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int ends[2];
    bool is_done;

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", asked("datagrams"));
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
        return false;
    is_done = connect(ends[0], (const struct sockaddr *)&to, sizeof(to)) == 0 ||
              sendto(ends[0], "x", 1, 0, (const struct sockaddr *)&to,
                     sizeof(to)) == 1;
    close(ends[0]);
    close(ends[1]);
    return is_done;
}

const struct attack connect_attacks[] = {
    { "api by 127.0.0.1", api_by_loopback },
    { "api by ::1", api_by_loopback_6 },
    { "api by 127.0.0.2", api_by_other_loopback },
    { "api by its own address", api_by_own_address },
    { "api by a mapped address", api_by_mapped },
    { "api by its own mapped address", api_by_mapped_own_address },
    { "api by 0.0.0.0", api_by_any },
    { "api by ::", api_by_any_6 },
    { "api by ::ffff:0.0.0.0", api_by_mapped_any },
    { "api by a socket that waits", api_while_waiting },
    { "api by sendto", api_by_sendto },
    { "api by sendmsg", api_by_sendmsg },
    { "api by sendmmsg", api_by_sendmmsg },
    { "api by sending later", api_by_late_sending },
    { "api after another", api_after_another },
    { "api by a race", api_by_race },
    { "intake by 127.0.0.1", intake_by_loopback },
    { "unix socket by a pair", unix_by_pair },
};
const size_t n_connect_attacks =
    sizeof(connect_attacks) / sizeof(connect_attacks[0]);

// --- what must work ---

static int connect_plain(int type)
{
    struct target plain = target_at("127.0.0.1", port_of("plain"));
    int fd = socket(AF_INET, type, 0);
    int error = 0;
    socklen_t n_bytes = sizeof(error);
    struct pollfd wanted = { .fd = fd, .events = POLLOUT };

    if (connect(fd, (const struct sockaddr *)&plain.at, plain.n_bytes) != 0)
        error = errno;
    if (error == EINPROGRESS && poll(&wanted, 1, WAIT_MS) == 1)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n_bytes);
    if (error == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) !=
                          ((type & SOCK_NONBLOCK) != 0 ? O_NONBLOCK : 0))
        error = ENOTRECOVERABLE; // it waits otherwise than before
    close(fd);
    return error;
}

// Where nobody listens.
static int connect_nowhere(int type)
{
    struct target nowhere = target_at("127.0.0.1", NOBODY);
    int fd = socket(AF_INET, type, 0);
    int error =
        connect(fd, (const struct sockaddr *)&nowhere.at, nowhere.n_bytes) == 0
            ? 0
            : errno;

    close(fd);
    return error;
}

// --- a flood ---

static int flooding = -1; // a socket whose mode another thread changes

static void *change_mode(void *data)
{
    (void)data;
    for (;;) {
        int fd = flooding, off = 0;

        (void)ioctl(fd, FIONBIO, &off);
    }
    return NULL;
}

// Connects without end, also to an address from which nothing comes.
static void *connect_for_ever(void *data)
{
    const struct target *to = data;

    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

        flooding = fd;
        (void)connect(fd, (const struct sockaddr *)&to->at, to->n_bytes);
        close(fd);
    }
    return NULL;
}

void connect_flood(void)
{
    static struct target to[FLOODS];
    pthread_t thread;

    for (size_t i = 0; i < FLOODS; i++) {
        to[i] = i == 0 ? target_at("127.0.0.1", port_of("silent"))
                       : target_at("127.0.0.1", NOBODY);
        if (pthread_create(&thread, NULL, connect_for_ever, &to[i]) != 0)
            abort();
    }
    if (pthread_create(&thread, NULL, change_mode, NULL) != 0)
        abort();
    fprintf(stderr, "flooding pid=%d\n", (int)getpid());
    for (;;)
        pause();
}

void connect_elsewhere(void)
{
    fprintf(stderr, "elsewhere: at once %d, waiting %d, nowhere %d, udp %d\n",
            connect_plain(SOCK_STREAM | SOCK_NONBLOCK),
            connect_plain(SOCK_STREAM), connect_nowhere(SOCK_STREAM),
            connect_nowhere(SOCK_DGRAM));
}
