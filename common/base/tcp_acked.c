// SPDX-License-Identifier: MIT
// tcp_acked.c — how many bytes a TCP peer has acknowledged.
//
// Why a separate file: the C library's <netinet/tcp.h>, which libuv includes,
// declares only the beginning of struct tcp_info, and the kernel's header defines
// it again.

#include "common/base/tcp_acked.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

uint64_t tcp_acked_bytes(int fd)
{
    struct tcp_info info = { .tcpi_bytes_acked = 0 };
    socklen_t n_bytes = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n_bytes) != 0)
        return 0;
    return info.tcpi_bytes_acked;
}
