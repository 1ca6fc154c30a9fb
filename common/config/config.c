// SPDX-License-Identifier: MIT
// config.c — values that are derived from settings.

#include "common/config/config.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

bool port_is_among(uint16_t port, const struct port_range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (port >= ranges[i].first && port <= ranges[i].last)
            return true;
    }
    return false;
}

bool config_permits_port(const struct config *c, uint16_t port)
{
    for (size_t i = 0; i < c->endpoint_allow.n; i++) {
        if (c->endpoint_allow.at[i].port == port)
            return true;
    }
    return port_is_among(port, c->endpoint_ports, c->n_endpoint_ports);
}

void config_put_ports(const struct config *c, struct buf *out)
{
    for (size_t i = 0; i < c->n_endpoint_ports; i++) {
        const struct port_range *r = &c->endpoint_ports[i];

        buf_printf(out, "%s%u", i > 0 ? "," : "", r->first);
        if (r->last > r->first)
            buf_printf(out, "-%u", r->last);
    }
}

struct json_limits config_json_limits(const struct config *c)
{
    return (struct json_limits){
        .max_depth = (unsigned)c->max_json_depth,
        .max_keys = (size_t)c->max_json_keys,
        .max_string_bytes = (size_t)c->max_json_string_bytes,
    };
}

uint64_t config_org_quota_bytes(const struct config *c)
{
    return c->max_queue_bytes_per_organization > 0
               ? c->max_queue_bytes_per_organization
               : c->max_queue_bytes / 4;
}

uint64_t config_retention_bytes(const struct config *c)
{
    uint64_t most = c->max_queue_bytes / 10 * 3;

    return c->retention_bytes < most ? c->retention_bytes : most;
}

bool config_is_clustered(const struct config *c)
{
    return c->cluster[0] != '\0';
}

bool config_seals(const struct config *c)
{
    return strcmp(c->seal_payloads, "on") == 0;
}

bool config_logs_json(const struct config *c)
{
    return strcmp(c->log_format, "json") == 0;
}

bool cidr_holds_address(const struct cidr *cidr, const uint8_t address[16])
{
    size_t n_whole = cidr->n_bits / 8;
    unsigned n_rest = cidr->n_bits % 8u;

    if (memcmp(address, cidr->address, n_whole) != 0)
        return false;
    return n_rest == 0 ||
           (address[n_whole] ^ cidr->address[n_whole]) >> (8u - n_rest) == 0;
}

bool cidr_holds(const struct cidr *cidr, const struct sockaddr *address)
{
    uint8_t bytes[16] = { 0 };
    uint16_t port;

    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof(v4));
        bytes[10] = 0xff;
        bytes[11] = 0xff;
        memcpy(bytes + 12, &v4.sin_addr, 4);
        port = ntohs(v4.sin_port);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof(v6));
        memcpy(bytes, &v6.sin6_addr, 16);
        port = ntohs(v6.sin6_port);
    } else {
        return false;
    }
    return (cidr->port == 0 || cidr->port == port) &&
           cidr_holds_address(cidr, bytes);
}
