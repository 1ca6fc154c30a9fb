// SPDX-License-Identifier: MIT
// local_addresses.c — the rules for the address guard.

#include "engine/sender/local_addresses.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/config/config_types.h"
#include "common/log/log.h"

#define REFRESH_US INT64_C(30000000)
#define RETRY_US   INT64_C(1000000) // after a failure

struct local_addresses {
    struct address_guard_rules rules;
    struct sockaddr_storage *addresses; // owned
    size_t n_room;
    struct sockaddr_storage listeners[2];
    int64_t read_at_us; // monotonic; 0: never
};

static void take(struct local_addresses *local, const struct sockaddr *address)
{
    size_t n_bytes = address->sa_family == AF_INET
                         ? sizeof(struct sockaddr_in)
                         : sizeof(struct sockaddr_in6);

    if (local->rules.n_local == local->n_room) {
        local->n_room = local->n_room * 2 + 16;
        local->addresses = xrealloc(local->addresses,
                                    local->n_room * sizeof(*local->addresses));
        local->rules.local = local->addresses;
    }
    memset(&local->addresses[local->rules.n_local], 0,
           sizeof(*local->addresses));
    memcpy(&local->addresses[local->rules.n_local++], address, n_bytes);
}

// Looks up this machine's addresses. If that fails, any address may be one of them:
// those known from before may not be all.
static void read_interfaces(struct local_addresses *local)
{
    struct ifaddrs *first;

    if (getifaddrs(&first) != 0) {
        if (local->rules.is_local_known || local->read_at_us == 0) {
            log_warn("the addresses of this machine cannot be read; only "
                     "addresses in endpoint_allow are delivered to",
                     "reason=%s", log_quote(str_of(strerror(errno))));
        }
        local->rules.is_local_known = false;
        return;
    }
    local->rules.is_local_known = true;
    local->rules.n_local = 0;
    for (const struct ifaddrs *i = first; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr != NULL && (i->ifa_addr->sa_family == AF_INET ||
                                    i->ifa_addr->sa_family == AF_INET6))
            take(local, i->ifa_addr);
    }
    freeifaddrs(first);
}

void local_addresses_reload(struct local_addresses *local,
                            const struct config *config)
{
    const char *listeners[] = { config->api_listen, config->ingest_listen };

    local->rules.allow = config->endpoint_allow.at;
    local->rules.n_allow = config->endpoint_allow.n;
    local->rules.ports = config->endpoint_ports;
    local->rules.n_ports = config->n_endpoint_ports;
    local->rules.n_listeners = 0;
    for (size_t i = 0; i < 2; i++) {
        if (config_address(listeners[i],
                           &local->listeners[local->rules.n_listeners]) == OK)
            local->rules.n_listeners++;
    }
    local->read_at_us = 0;
}

struct local_addresses *local_addresses_new(const struct config *config)
{
    struct local_addresses *local = xcalloc(1, sizeof(*local));

    local->rules.listeners = local->listeners;
    local_addresses_reload(local, config);
    return local;
}

const struct address_guard_rules *
local_addresses_rules(struct local_addresses *local)
{
    int64_t now_us = clock_mono_us();
    int64_t wait_us = local->rules.is_local_known ? REFRESH_US : RETRY_US;

    if (local->read_at_us == 0 || now_us - local->read_at_us > wait_us) {
        read_interfaces(local);
        local->read_at_us = now_us;
    }
    return &local->rules;
}
