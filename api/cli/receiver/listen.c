// SPDX-License-Identifier: MIT
// listen.c — a socket and a server for the receivers of the command line.

#include "api/cli/receiver/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/config/config_types.h"

#define BACKLOG 1024

int listen_on(const char *command, const char *address)
{
    struct sockaddr_storage where;
    socklen_t n_bytes;
    int one = 1;
    int fd;

    if (address == NULL) {
        struct sockaddr_in any = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        memset(&where, 0, sizeof(where));
        memcpy(&where, &any, sizeof(any));
        address = "127.0.0.1";
    } else if (config_address(address, &where) != OK) {
        fprintf(stderr, "posthorn %s: %s is no address like 127.0.0.1:9000\n",
                command, address);
        return -1;
    }
    n_bytes = where.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
    fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(fd, (const struct sockaddr *)&where, n_bytes) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    fprintf(stderr, "posthorn %s: cannot listen on %s: %s\n", command, address,
            strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

unsigned listen_port(int fd)
{
    struct sockaddr_in6 v6 = { .sin6_family = AF_UNSPEC };
    struct sockaddr_in v4;
    socklen_t n_bytes = sizeof(v6);

    if (getsockname(fd, (struct sockaddr *)&v6, &n_bytes) != 0)
        return 0;
    if (v6.sin6_family == AF_INET6)
        return ntohs(v6.sin6_port);
    memcpy(&v4, &v6, sizeof(v4));
    return ntohs(v4.sin_port);
}

static void on_headers(void *data, struct http_request *r)
{
    (void)data; // every request is accepted
    (void)r;
}

enum err listen_serve(uv_loop_t *loop, int fd, size_t body_max_bytes,
                      void (*on_request)(void *data, struct http_request *r),
                      void *data, struct http_server **out)
{
    struct http_limits limits = http_default_limits;
    struct http_handlers handlers = { .on_headers = on_headers,
                                      .on_request = on_request,
                                      .data = data };

    limits.max_body_bytes = body_max_bytes;
    limits.max_per_address = limits.max_connections;
    limits.max_requests = UINT32_MAX;
    return http_server_start(loop, fd, &limits, &handlers, out);
}
