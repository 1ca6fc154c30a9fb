// SPDX-License-Identifier: MIT
// relay.c — the process that passes a listener's connections to the node that leads.
//
// Happy path: the replicator says which node leads; each connection that comes to the
// listening socket is joined with one to the same listener of that node.
//
// If it fails: without the replicator, the lead that was known last stays. A drain ends
// the connections that are quiet after an answer, and waits for the others up to
// `drain_timeout`.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/messages/lead_address.h"
#include "common/process/channel.h"
#include "common/process/role.h"
#include "engine/relay/entrance.h"

// Which listener it serves: the index of the process.
enum { LISTENER_INGEST, LISTENER_API, LISTENERS };

struct relay {
    struct role *role;
    struct entrance *entrance;
    struct channel *replicator; // NULL: not there
    unsigned replicator_index;
    uv_timer_t drain_timer;
    char name[ROLE_LABEL_BYTES];
    char lead[LEAD_ADDRESS_MAX_BYTES + 1]; // "": none is known
};

// --- the lead ---

static void set_lead(struct relay *r, struct str text, bool wants_clients)
{
    struct sockaddr_storage address;
    bool is_known = lead_address_read(text, &address) == OK;

    entrance_set_lead(r->entrance, is_known ? &address : NULL, wants_clients);
    if (str_is(text, r->lead))
        return;
    snprintf(r->lead, sizeof(r->lead), "%.*s", STR_ARG(text));
    if (is_known) {
        log_info("connections go to another node", "lead=%s", r->lead);
    } else {
        log_warn("no node leads; clients get 503", "");
    }
}

static void on_frame(void *data, struct str frame)
{
    struct relay *r = data;
    struct lead_address lead;

    if (lead_address_unpack(frame, &lead) != OK) {
        channel_refuse(r->replicator);
        return;
    }
    set_lead(r, role_index(r->role) == LISTENER_INGEST ? lead.ingest : lead.api,
             lead.wants_clients);
}

static void on_closed(void *data)
{
    struct relay *r = data;

    r->replicator = NULL;
    role_link_lost(r->role, ROLE_REPLICATOR, r->replicator_index);
}

static void on_link(void *data, enum role_kind peer, unsigned index, int fd)
{
    struct relay *r = data;

    if (peer != ROLE_REPLICATOR) {
        close(fd);
        return;
    }
    if (r->replicator != NULL)
        channel_close(r->replicator);
    r->replicator_index = index;
    r->replicator = role_open_channel(
        r->role, peer, fd,
        &(struct channel_handlers){
            .on_frame = on_frame, .on_closed = on_closed, .data = r });
}

// --- the process ---

static void on_empty(void *data)
{
    struct relay *r = data;

    role_done(r->role);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    struct relay *r = timer->data;

    log_warn("connections were still open at the end of drain_timeout", "");
    role_done(r->role);
}

static void on_drain(void *data)
{
    struct relay *r = data;

    uv_timer_start(&r->drain_timer, on_drain_timeout,
                   (uint64_t)role_config(r->role)->drain_timeout_ms, 0);
    entrance_drain(r->entrance);
}

static void on_second(void *data)
{
    const struct relay *r = data;

    entrance_tick(r->entrance);
}

int relay_role(unsigned index)
{
    struct relay *r = xcalloc(1, sizeof(*r));
    struct role_handlers handlers = { .on_link = on_link,
                                      .on_drain = on_drain,
                                      .on_second = on_second,
                                      .data = r };
    struct entrance_options options = { .listen_fd = ROLE_LISTEN_FD,
                                        .name = r->name,
                                        .on_empty = on_empty,
                                        .data = r };

    r->role = role_start(ROLE_RELAY, index);
    if (index >= LISTENERS)
        log_fatal("there is no such listener", "index=%u", index);
    role_label(ROLE_RELAY, index, r->name);
    options.speaks_tls = role_tls_fd(r->role) >= 0;
    if (options.speaks_tls)
        close(role_tls_fd(r->role)); // TLS passes through: it needs no key
    uv_timer_init(role_loop(r->role), &r->drain_timer);
    r->drain_timer.data = r;
    r->entrance =
        entrance_new(role_loop(r->role), role_config(r->role), &options);
    role_ready(r->role, &handlers);
    return role_run(r->role);
}
