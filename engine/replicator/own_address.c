// SPDX-License-Identifier: MIT
// own_address.c — the addresses at which other nodes reach this one.

#include "engine/replicator/own_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/config/config_types.h"

#define HOST_BYTES 256
#define NATS_PORT  "4222"

static bool is_wildcard(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET6) {
        return IN6_IS_ADDR_UNSPECIFIED(
            &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
    }
    return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
           htonl(INADDR_ANY);
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
    return ntohs(a->ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)(const void *)a)->sin6_port
                     : ((const struct sockaddr_in *)(const void *)a)->sin_port);
}

// As "10.0.0.7" or "[fd00::7]". False: it is no address.
static bool put_host(const struct sockaddr *a, socklen_t n_bytes,
                     char out[HOST_BYTES])
{
    char host[HOST_BYTES - 2];

    if (getnameinfo(a, n_bytes, host, sizeof(host), NULL, 0, NI_NUMERICHOST) !=
        0)
        return false;
    snprintf(out, HOST_BYTES, a->sa_family == AF_INET6 ? "[%s]" : "%s", host);
    return true;
}

// The address from which this machine would send to `host`.
static bool find_route(const char *host, const char *port, char out[HOST_BYTES])
{
    const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
    struct addrinfo *found;
    struct sockaddr_storage own = { .ss_family = AF_UNSPEC };
    socklen_t n_bytes = sizeof(own);
    bool is_found = false;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *a = found; a != NULL && !is_found;
         a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        // Connecting a socket of datagrams sends nothing.
        is_found = fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0 &&
                   getsockname(fd, (struct sockaddr *)&own, &n_bytes) == 0 &&
                   put_host((const struct sockaddr *)&own, n_bytes, out);
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(found);
    return is_found;
}

// The first server of "nats://user:word@host:port,…".
static bool find_server(const char *url, char host[HOST_BYTES],
                        char port[HOST_BYTES])
{
    const char *at = strstr(url, "://");
    const char *sign;
    size_t n;

    at = at != NULL ? at + 3 : url;
    n = strcspn(at, ",/");
    sign = memchr(at, '@', n);
    if (sign != NULL) {
        n -= (size_t)(sign + 1 - at);
        at = sign + 1;
    }
    snprintf(port, HOST_BYTES, "%s", NATS_PORT);
    if (n == 0 || n >= HOST_BYTES)
        return false;
    memcpy(host, at, n);
    host[n] = '\0';
    if (host[0] == '[') {
        char *end = strchr(host, ']');

        if (end == NULL)
            return false;
        if (end[1] == ':')
            snprintf(port, HOST_BYTES, "%s", end + 2);
        *end = '\0';
        memmove(host, host + 1, strlen(host));
    } else if (strchr(host, ':') != NULL) {
        char *colon = strchr(host, ':');

        snprintf(port, HOST_BYTES, "%s", colon + 1);
        *colon = '\0';
    }
    return true;
}

static enum err find_one(const struct config *config, const char *listen,
                         char out[CLUSTER_ADDRESS_BYTES])
{
    struct sockaddr_storage a;
    char host[HOST_BYTES] = "";
    char server[HOST_BYTES];
    char port[HOST_BYTES];
    bool is_found;

    if (config_address(listen, &a) != OK)
        return ERR_NOTFOUND;
    if (config->node_host[0] != '\0') {
        is_found =
            strchr(config->node_host, ':') != NULL
                ? snprintf(host, sizeof(host), "[%s]", config->node_host) > 0
                : snprintf(host, sizeof(host), "%s", config->node_host) > 0;
    } else if (!is_wildcard(&a)) {
        is_found =
            put_host((const struct sockaddr *)&a,
                     a.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                             : sizeof(struct sockaddr_in),
                     host);
    } else {
        is_found = find_server(config->cluster, server, port) &&
                   find_route(server, port, host);
    }
    if (!is_found || snprintf(out, CLUSTER_ADDRESS_BYTES, "%.64s:%u", host,
                              port_of(&a)) >= CLUSTER_ADDRESS_BYTES)
        return ERR_NOTFOUND;
    return OK;
}

enum err own_address_find(const struct config *config,
                          struct cluster_member *member)
{
    enum err err = find_one(config, config->api_listen, member->api);

    return err == OK ? find_one(config, config->ingest_listen, member->ingest)
                     : err;
}
