// SPDX-License-Identifier: MIT
// proxy_header.c — the PROXY protocol, version 2.

#include "common/stream/proxy_header.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#define HEAD_BYTES      ((size_t)16)
#define SIGNATURE_BYTES ((size_t)12)
#define VERSION         0x20
#define COMMAND_LOCAL   0 // by the sender itself, such as a check: names nobody
#define COMMAND_PROXY   1
#define TCP_V4          0x11
#define TCP_V6          0x21
#define V4_BYTES        12 // two addresses, two ports
#define V6_BYTES        36

static const uint8_t signature[SIGNATURE_BYTES] = "\r\n\r\n\0\r\nQUIT\n";

static void put_head(struct buf *out, uint8_t command, uint8_t family,
                     uint8_t n_bytes)
{
    buf_put(out, signature, SIGNATURE_BYTES);
    buf_putc(out, (char)(VERSION | command));
    buf_putc(out, (char)family);
    buf_putc(out, 0);
    buf_putc(out, (char)n_bytes);
}

void proxy_header_put(struct buf *out, const struct sockaddr_storage *from,
                      const struct sockaddr_storage *to)
{
    if (from->ss_family == AF_INET && to->ss_family == AF_INET) {
        struct sockaddr_in ends[2];

        memcpy(&ends[0], from, sizeof(ends[0]));
        memcpy(&ends[1], to, sizeof(ends[1]));
        put_head(out, COMMAND_PROXY, TCP_V4, V4_BYTES);
        buf_put(out, &ends[0].sin_addr, 4);
        buf_put(out, &ends[1].sin_addr, 4);
        buf_put(out, &ends[0].sin_port, 2);
        buf_put(out, &ends[1].sin_port, 2);
    } else if (from->ss_family == AF_INET6 && to->ss_family == AF_INET6) {
        struct sockaddr_in6 ends[2];

        memcpy(&ends[0], from, sizeof(ends[0]));
        memcpy(&ends[1], to, sizeof(ends[1]));
        put_head(out, COMMAND_PROXY, TCP_V6, V6_BYTES);
        buf_put(out, &ends[0].sin6_addr, 16);
        buf_put(out, &ends[1].sin6_addr, 16);
        buf_put(out, &ends[0].sin6_port, 2);
        buf_put(out, &ends[1].sin6_port, 2);
    } else {
        put_head(out, COMMAND_LOCAL, 0, 0);
    }
}

static void read_v4(const uint8_t *at, struct sockaddr_storage *client)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };

    memcpy(&v4.sin_addr, at, 4);
    memcpy(&v4.sin_port, at + 8, 2);
    memcpy(client, &v4, sizeof(v4));
}

static void read_v6(const uint8_t *at, struct sockaddr_storage *client)
{
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

    memcpy(&v6.sin6_addr, at, 16);
    memcpy(&v6.sin6_port, at + 32, 2);
    memcpy(client, &v6, sizeof(v6));
}

enum proxy_header proxy_header_read(struct str bytes, size_t *n_bytes,
                                    struct sockaddr_storage *client)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    size_t n_compared =
        bytes.n_bytes < SIGNATURE_BYTES ? bytes.n_bytes : SIGNATURE_BYTES;
    size_t n_rest;

    *n_bytes = HEAD_BYTES;
    memset(client, 0, sizeof(*client));
    if (bytes.n_bytes == 0)
        return PROXY_HEADER_PART;
    if (memcmp(at, signature, n_compared) != 0)
        return PROXY_HEADER_NONE;
    if (bytes.n_bytes < HEAD_BYTES)
        return PROXY_HEADER_PART;
    n_rest = (size_t)at[14] << 8 | at[15];
    *n_bytes = HEAD_BYTES + n_rest;
    if ((at[12] != (VERSION | COMMAND_LOCAL) &&
         at[12] != (VERSION | COMMAND_PROXY)) ||
        *n_bytes > PROXY_HEADER_MAX_BYTES)
        return PROXY_HEADER_BAD;
    if (at[12] == (VERSION | COMMAND_PROXY) &&
        ((at[13] == TCP_V4 && n_rest < V4_BYTES) ||
         (at[13] == TCP_V6 && n_rest < V6_BYTES)))
        return PROXY_HEADER_BAD;
    if (bytes.n_bytes < *n_bytes)
        return PROXY_HEADER_PART;
    if (at[12] == (VERSION | COMMAND_PROXY) && at[13] == TCP_V4) {
        read_v4(at + HEAD_BYTES, client);
    } else if (at[12] == (VERSION | COMMAND_PROXY) && at[13] == TCP_V6) {
        read_v6(at + HEAD_BYTES, client);
    }
    return PROXY_HEADER_WHOLE;
}
