// SPDX-License-Identifier: MIT
// own_listeners.c — whether an address leads to the engine's own servers.
//
// Which addresses are this machine's is what its routes say (RTN_LOCAL): that includes
// all of 127.0.0.0/8 and addresses that no interface has. Binding a socket to the address
// would tell the same, except where net.ipv4.ip_nonlocal_bind is set.

#include "engine/supervisor/connects/own_listeners.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_BYTES 4096

// An address as IPv6, and its port.
struct place {
    uint8_t bytes[16];
    uint16_t port;
};

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static bool place_of(const struct sockaddr_storage *address, struct place *out)
{
    if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof(v4));
        memcpy(out->bytes, mapped_prefix, sizeof(mapped_prefix));
        memcpy(out->bytes + 12, &v4.sin_addr, 4);
        out->port = ntohs(v4.sin_port);
        return true;
    }
    if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof(v6));
        memcpy(out->bytes, &v6.sin6_addr, 16);
        out->port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

static bool is_v4(const struct place *p)
{
    return memcmp(p->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static bool is_any(const struct place *p)
{
    static const uint8_t zeros[16];
    size_t n_prefix = is_v4(p) ? sizeof(mapped_prefix) : 0;

    return memcmp(p->bytes + n_prefix, zeros, 16 - n_prefix) == 0;
}

static bool is_link_local(const struct place *p)
{
    return p->bytes[0] == 0xfe && (p->bytes[1] & 0xc0) == 0x80;
}

// --- the route ---

struct question {
    struct nlmsghdr head;
    struct rtmsg route;
    struct rtattr attribute;
    uint8_t address[16];
};

static bool ask(int fd, const struct place *to)
{
    size_t n_address = is_v4(to) ? 4 : 16;
    struct question q = {
        .head = { .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST },
        .route = { .rtm_family = is_v4(to) ? AF_INET : AF_INET6,
                   .rtm_dst_len = (uint8_t)(n_address * 8) },
        .attribute = { .rta_type = RTA_DST },
    };

    q.attribute.rta_len = (uint16_t)RTA_LENGTH(n_address);
    q.head.nlmsg_len =
        (uint32_t)(offsetof(struct question, address) + n_address);
    memcpy(q.address, to->bytes + 16 - n_address, n_address);
    return send(fd, &q, q.head.nlmsg_len, MSG_DONTWAIT) ==
           (ssize_t)q.head.nlmsg_len;
}

// False only if the answer says that the way leads elsewhere, or nowhere. The kernel
// answers before it returns from the question.
static bool says_local(int fd)
{
    union {
        struct nlmsghdr head;
        char bytes[ANSWER_BYTES];
    } answer;
    ssize_t n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
    struct rtmsg route;
    struct nlmsgerr error;

    if (n >= (ssize_t)NLMSG_LENGTH(sizeof(route)) &&
        answer.head.nlmsg_type == RTM_NEWROUTE) {
        memcpy(&route, NLMSG_DATA(&answer.head), sizeof(route));
        return route.rtm_type != RTN_UNICAST;
    }
    if (n >= (ssize_t)NLMSG_LENGTH(sizeof(error)) &&
        answer.head.nlmsg_type == NLMSG_ERROR) {
        memcpy(&error, NLMSG_DATA(&answer.head), sizeof(error));
        return error.error != -ENETUNREACH && error.error != -EHOSTUNREACH;
    }
    return true;
}

static bool is_local(const struct place *to)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    bool is_so = fd < 0 || !ask(fd, to) || says_local(fd);

    if (fd >= 0)
        close(fd);
    return is_so;
}

// --- the servers ---

bool own_listeners_add(struct own_listeners *own, int listen_fd)
{
    socklen_t n_bytes = sizeof(own->at[0]);

    if (own->n == OWN_LISTENERS_MAX ||
        getsockname(listen_fd, (struct sockaddr *)&own->at[own->n], &n_bytes) !=
            0)
        return false;
    own->n++;
    return true;
}

bool own_listeners_hold(const struct own_listeners *own,
                        const struct sockaddr_storage *to)
{
    struct place wanted;
    bool is_open = false; // a server with this port has all addresses

    if (!place_of(to, &wanted))
        return false;
    for (size_t i = 0; i < own->n; i++) {
        struct place server;

        if (!place_of(&own->at[i], &server) || server.port != wanted.port)
            continue;
        if (is_any(&wanted) ||
            memcmp(server.bytes, wanted.bytes, sizeof(server.bytes)) == 0)
            return true;
        is_open = is_open || is_any(&server);
    }
    return is_open && (is_link_local(&wanted) || is_local(&wanted));
}
