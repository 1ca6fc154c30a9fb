// SPDX-License-Identifier: MIT
// replicator.c — the process that connects a node with its cluster.
//
// Happy path: the servers are judged; the data directory is made a copy of the cluster's,
// or the first node makes the cluster; each part follows its chain; and when the lead is
// free, this node takes it: the supervisor starts the roles.
//
// If it fails: servers or a directory that do not do end the engine, with all that is
// wrong. Servers that cannot be reached are waited for. A part that cannot follow its chain
// any more is dropped, and made anew by the next process.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/files/keyring.h"
#include "common/http/authentication.h"
#include "common/log/log.h"
#include "common/messages/lead_address.h"
#include "common/process/channel.h"
#include "common/process/role.h"
#include "engine/replicator/lead.h"
#include "engine/replicator/node_requests.h"
#include "engine/replicator/own_address.h"
#include "engine/replicator/snapshots.h"
#include "queue/queue.h"

#define RELAYS     2
#define RETRY_MS   1000
#define MAKER      "maker" // the lease of the node that makes the cluster
#define LEASE_MS   5000
#define TELL_EVERY 10 // tries, between two lines of the log
#define CHECK_MS   500

struct relay_link {
    struct replicator *replicator;
    unsigned index;
    struct channel *channel; // NULL: not there
};

struct replicator {
    struct role *role;
    const struct config *config;
    struct queue_config queue;
    struct journal *journal;
    struct cluster_member me;
    struct chain_host *hosts[QUEUE_SHARDS_MAX + 2];
    size_t n_hosts;
    struct lead *lead;
    struct node_requests requests;
    struct snapshots *snapshots;
    struct relay_link relays[RELAYS];
    uv_async_t changed;
    uv_timer_t check;
    enum lead_state told; // what the supervisor was told last
    bool is_draining;
};

// --- the start ---

static _Noreturn void refuse(const char *what, const struct buf *why)
{
    log_set_fatal_status(EXIT_REFUSED);
    log_fatal(what, "reason=%s", log_quote(buf_str(why)));
}

static void open_journal(struct replicator *r)
{
    struct buf why;

    buf_init(&why, 0);
    if (cluster_journal_open(r->config, &why, &r->journal) != OK)
        refuse("the cluster cannot be used", &why);
    buf_clear(&why);
}

// Waits before another try; says now and then what for.
static void wait_for(unsigned *n_tries, const char *what, struct buf *why)
{
    if ((*n_tries)++ % TELL_EVERY == 0) {
        log_warn("the cluster is waited for", "for=%s reason=%s",
                 log_quote(str_of(what)), log_quote(buf_str(why)));
    }
    buf_reset(why);
    uv_sleep(RETRY_MS);
}

static void judge(struct replicator *r)
{
    unsigned n_tries = 0;
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    while ((err = journal_judge(r->journal, &faults)) == ERR_AGAIN)
        wait_for(&n_tries, "servers", &faults);
    if (err != OK)
        refuse("the servers of the cluster do not do", &faults);
    buf_clear(&faults);
}

static bool may_go_on(void *data)
{
    (void)data;
    return true;
}

static void on_progress(void *data, const char *part, uint64_t n_bytes,
                        bool is_done)
{
    (void)data;
    log_info(is_done ? "a part is done" : "a part begins",
             "part=%s bytes=%" PRIu64, part, n_bytes);
}

// Whether this directory may become that of the cluster. `why` says why not.
static enum err check_directory(struct replicator *r, struct buf *why)
{
    bool is_copy;
    enum err err;

    if (cluster_is_making(&r->queue))
        return OK;
    err = cluster_is_copy(&r->queue, &is_copy); // opens it for reading
    if (err == ERR_NOTFOUND)
        return OK;
    if (err == OK && !is_copy) {
        buf_printf(why,
                   "%s has a queue that is not part of a cluster; make the "
                   "cluster of it with `posthorn cluster import`, or choose an "
                   "empty data_dir",
                   r->config->data_dir);
        return ERR_CONFLICT;
    }
    if (err == OK) {
        buf_printf(why,
                   "%s is a copy of a cluster, and the servers know none; are "
                   "they the right ones?",
                   r->config->data_dir);
        return ERR_CONFLICT;
    }
    return err;
}

// This node is the first one. An empty directory becomes that of the cluster.
static enum err make_cluster(struct replicator *r,
                             const struct cluster_job *job, struct buf *why)
{
    enum err err = check_directory(r, why);

    if (err == OK)
        err = cluster_begin_making(&r->queue);
    if (err == OK)
        err = queue_prepare(&r->queue, why);
    if (err == OK && auth_prepare(r->config->data_dir) != OK) {
        buf_puts(why, "admin.token cannot be written");
        err = ERR_IO;
    }
    if (err == OK)
        err = cluster_import(job, why);
    if (err == OK)
        cluster_end_making(&r->queue);
    return err;
}

// Of nodes that start at the same time one makes the cluster; the others leave their
// directories empty, and join it.
static enum err make_alone(struct replicator *r, const struct cluster_job *job,
                           struct buf *why)
{
    struct cluster_identity identity;
    uint64_t term;
    enum err err = journal_lease_take(r->journal, STR(MAKER),
                                      str_of(r->config->node), LEASE_MS, &term);

    if (err != OK) {
        buf_puts(why, err == ERR_EXISTS ? "another node makes the cluster"
                                        : err_str(err));
        return ERR_AGAIN;
    }
    err = cluster_identity_get(r->journal, r->queue.keys, &identity);
    if (err == ERR_NOTFOUND) {
        err = make_cluster(r, job, why);
    } else {
        buf_puts(why, "another node has made the cluster");
        err = ERR_AGAIN;
    }
    if (journal_lease_give(r->journal, STR(MAKER), term, LEASE_MS) != OK)
        log_info("the lease of the maker ends by itself", "");
    return err;
}

static enum err try_join(struct replicator *r, const struct cluster_job *job,
                         struct buf *why)
{
    struct cluster_identity identity;
    enum err err = cluster_identity_get(r->journal, r->queue.keys, &identity);

    if (err == ERR_NOTFOUND)
        return make_alone(r, job, why);
    if (err == ERR_DENIED) {
        buf_puts(why, "secret_key_file has other keys than the cluster; copy "
                      "the file from another node");
        return err;
    }
    if (err != OK) {
        buf_puts(why, err_str(err));
        return err;
    }
    if (identity.n_shards != r->queue.n_shards) {
        buf_printf(why,
                   "dispatchers: is %u here and %u in the cluster; all nodes "
                   "need the same",
                   r->queue.n_shards, identity.n_shards);
        return ERR_INVALID;
    }
    return cluster_join(job, &identity, why);
}

static void join(struct replicator *r)
{
    const struct cluster_job job = {
        .journal = r->journal,
        .config = &r->queue,
        .may_go_on = may_go_on,
        .on_progress = on_progress,
    };
    unsigned n_tries = 0;
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    // Another node may make the cluster at the same time: then this one joins it.
    while ((err = try_join(r, &job, &why)) == ERR_AGAIN || err == ERR_EXISTS)
        wait_for(&n_tries, "the journal", &why);
    if (err != OK)
        refuse("this node cannot join the cluster", &why);
    buf_clear(&why);
}

static void know_self(struct replicator *r)
{
    unsigned n_tries = 0;
    struct buf why;

    buf_init(&why, 0);
    snprintf(r->me.node, sizeof(r->me.node), "%s", r->config->node);
    snprintf(r->me.version, sizeof(r->me.version), "%s", POSTHORN_VERSION);
    if (cluster_holder(r->config->data_dir, r->me.node, r->me.holder) != OK) {
        buf_puts(&why, "node.id cannot be written in data_dir");
        refuse("this node cannot be named", &why);
    }
    while (own_address_find(r->config, &r->me) != OK) {
        buf_puts(&why, "the address of this node is not known; set node_host");
        wait_for(&n_tries, "its own address", &why);
    }
    buf_clear(&why);
}

// --- the lead ---

static void tell_relay(struct relay_link *link)
{
    struct lead_address to = { .api = STR_EMPTY };
    struct lead_view view;

    if (link->channel == NULL)
        return;
    to.wants_clients = link->replicator->config->cluster_nodes.n > 0;
    view = lead_view(link->replicator->lead);
    // Its own address would lead back to the relay.
    if (view.is_lead_known &&
        strcmp(view.lead.node, link->replicator->me.node) != 0) {
        to.api = str_of(view.lead.api);
        to.ingest = str_of(view.lead.ingest);
    }
    lead_address_pack(channel_begin(link->channel), &to);
    channel_end_small(link->channel);
}

static void order(struct replicator *r, enum lead_state state)
{
    switch (state) {
    case LEAD_LEADS:
        role_order_lead(r->role, LEAD_STAND_UP);
        break;
    case LEAD_LEAVES:
        role_order_lead(r->role, LEAD_STAND_DOWN);
        break;
    case LEAD_LOSES:
        role_order_lead(r->role, LEAD_FALL);
        break;
    case LEAD_FOLLOWS:
    case LEAD_TAKES:
        break;
    }
}

// A part that cannot follow is made anew at the next start.
static void check_hosts(struct replicator *r)
{
    for (size_t i = 0; i < r->n_hosts; i++) {
        struct chain_host_status s = chain_host_status(r->hosts[i]);

        if (s.state != CHAIN_HOST_ENDED)
            continue;
        if (cluster_drop_part(&r->queue, (unsigned)i) != OK) {
            log_warn("a part cannot be removed from data_dir", "part=%zu", i);
        }
        log_set_fatal_status(EXIT_FAILURE); // damage would end the engine
        log_fatal("a part is made anew from the cluster", "part=%zu reason=%s",
                  i, log_quote(str_of(err_str(s.err))));
    }
}

static void on_changed(uv_async_t *changed)
{
    struct replicator *r = changed->data;
    enum lead_state state = lead_view(r->lead).state;

    check_hosts(r);
    if (state != r->told)
        order(r, state);
    r->told = state;
    for (size_t i = 0; i < RELAYS; i++)
        tell_relay(&r->relays[i]);
}

static void on_check(uv_timer_t *check)
{
    const struct replicator *r = check->data;

    lead_check(r->lead);
}

// On a thread of a host or of the lead, or here.
static void note_change(void *data)
{
    struct replicator *r = data;

    uv_async_send(&r->changed);
}

static void start_hosts(struct replicator *r)
{
    r->n_hosts = r->queue.n_shards + 2;
    for (size_t i = 0; i < r->n_hosts; i++) {
        enum err err = chain_host_start(r->journal, &r->queue, (unsigned)i,
                                        note_change, r, &r->hosts[i]);

        if (err != OK) {
            log_fatal("a part cannot follow its chain", "part=%zu reason=%s", i,
                      log_quote(str_of(err_str(err))));
        }
    }
}

static void start_lead(struct replicator *r)
{
    const struct lead_config lc = { .journal = r->journal,
                                    .data_dir = r->config->data_dir,
                                    .hosts = r->hosts,
                                    .n_hosts = r->n_hosts,
                                    .me = r->me,
                                    .on_change = note_change,
                                    .data = r };
    unsigned n_tries = 0;
    struct buf why;

    if (lead_start(&lc, &r->lead) != OK)
        log_fatal("a thread cannot be started", "");
    r->requests = (struct node_requests){ .lead_config = lc, .lead = r->lead };
    buf_init(&why, 0);
    while (node_requests_serve(&r->requests) == ERR_AGAIN)
        wait_for(&n_tries, "requests", &why);
    buf_clear(&why);
}

// --- the process ---

static void on_relay_frame(void *data, struct str frame)
{
    struct relay_link *link = data;

    (void)frame; // relays say nothing
    channel_refuse(link->channel);
}

static void on_relay_closed(void *data)
{
    struct relay_link *link = data;

    link->channel = NULL;
    role_link_lost(link->replicator->role, ROLE_RELAY, link->index);
}

static void on_link(void *data, enum role_kind kind, unsigned index, int fd)
{
    struct replicator *r = data;
    struct relay_link *link;

    if (kind != ROLE_RELAY || index >= RELAYS) {
        close(fd);
        return;
    }
    link = &r->relays[index];
    if (link->channel != NULL)
        channel_close(link->channel);
    *link = (struct relay_link){ .replicator = r, .index = index };
    link->channel = role_open_channel(
        r->role, ROLE_RELAY, fd,
        &(struct channel_handlers){ .on_frame = on_relay_frame,
                                    .on_closed = on_relay_closed,
                                    .data = link });
    tell_relay(link);
}

static void on_stood_down(void *data)
{
    struct replicator *r = data;

    lead_roles_ended(r->lead);
}

// The supervisor has ended the roles of the lead before.
static void on_drain(void *data)
{
    struct replicator *r = data;

    r->is_draining = true;
    lead_roles_ended(r->lead);
    snapshots_stop(r->snapshots);
    lead_stop(r->lead);
    role_done(r->role);
}

int replicator_role(unsigned index)
{
    struct replicator *r = xcalloc(1, sizeof(*r));
    const struct role_handlers handlers = { .on_link = on_link,
                                            .on_drain = on_drain,
                                            .on_stood_down = on_stood_down,
                                            .data = r };

    r->role = role_start(ROLE_REPLICATOR, index);
    r->config = role_config(r->role);
    r->queue = (struct queue_config){
        .data_dir = r->config->data_dir,
        .max_bytes = r->config->max_queue_bytes,
        .n_shards = (unsigned)r->config->dispatchers,
        .is_replicated = true,
        .keys = role_keys(r->role),
    };
    open_journal(r);
    judge(r);
    join(r);
    know_self(r);
    uv_async_init(role_loop(r->role), &r->changed, on_changed);
    r->changed.data = r;
    start_hosts(r);
    start_lead(r);
    uv_timer_init(role_loop(r->role), &r->check);
    r->check.data = r;
    uv_timer_start(&r->check, on_check, CHECK_MS, CHECK_MS);
    r->snapshots = snapshots_start(r->hosts, r->n_hosts);
    role_ready(r->role, &handlers);
    return role_run(r->role);
}
