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

#define LOOK_US       INT64_C(30000000)
#define LOOK_AGAIN_US INT64_C(1000000) // after a failure

struct own_addresses {
    struct guard_rules rules;
    struct sockaddr_storage *addresses; // owned
    size_t n_room;
    struct sockaddr_storage listeners[2];
    int64_t looked_at_us; // monotonic; 0: never
};

static void take(struct own_addresses *own, const struct sockaddr *address)
{
    size_t n_bytes = address->sa_family == AF_INET
                         ? sizeof(struct sockaddr_in)
                         : sizeof(struct sockaddr_in6);

    if (own->rules.n_own == own->n_room) {
        own->n_room = own->n_room * 2 + 16;
        own->addresses =
            xrealloc(own->addresses, own->n_room * sizeof(*own->addresses));
        own->rules.own = own->addresses;
    }
    memset(&own->addresses[own->rules.n_own], 0, sizeof(*own->addresses));
    memcpy(&own->addresses[own->rules.n_own++], address, n_bytes);
}

// Looks up this machine's addresses. If that fails, any address may be one of them:
// those known from before may not be all.
static void look(struct own_addresses *own)
{
    struct ifaddrs *first;

    if (getifaddrs(&first) != 0) {
        if (own->rules.is_own_known || own->looked_at_us == 0) {
            log_warn("own addresses cannot be had; nothing is delivered but to "
                     "what endpoint_allow names",
                     "reason=%s", log_quote(str_of(strerror(errno))));
        }
        own->rules.is_own_known = false;
        return;
    }
    own->rules.is_own_known = true;
    own->rules.n_own = 0;
    for (const struct ifaddrs *i = first; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr != NULL && (i->ifa_addr->sa_family == AF_INET ||
                                    i->ifa_addr->sa_family == AF_INET6))
            take(own, i->ifa_addr);
    }
    freeifaddrs(first);
}

void own_addresses_reload(struct own_addresses *own,
                          const struct config *config)
{
    const char *listeners[] = { config->api_listen, config->ingest_listen };

    own->rules.allow = config->endpoint_allow;
    own->rules.n_allow = config->n_endpoint_allow;
    own->rules.ports = config->endpoint_ports;
    own->rules.n_ports = config->n_endpoint_ports;
    own->rules.n_listeners = 0;
    for (size_t i = 0; i < 2; i++) {
        if (config_address(listeners[i],
                           &own->listeners[own->rules.n_listeners]) == OK)
            own->rules.n_listeners++;
    }
    own->looked_at_us = 0;
}

struct own_addresses *own_addresses_new(const struct config *config)
{
    struct own_addresses *own = xcalloc(1, sizeof(*own));

    own->rules.listeners = own->listeners;
    own_addresses_reload(own, config);
    return own;
}

const struct guard_rules *own_addresses_rules(struct own_addresses *own)
{
    int64_t now_us = clock_mono_us();
    int64_t wait_us = own->rules.is_own_known ? LOOK_US : LOOK_AGAIN_US;

    if (own->looked_at_us == 0 || now_us - own->looked_at_us > wait_us) {
        look(own);
        own->looked_at_us = now_us;
    }
    return &own->rules;
}
