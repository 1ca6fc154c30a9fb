// SPDX-License-Identifier: MIT
// lead.c — whether this node is the lead of its cluster.
//
// Happy path: the lease is free, all parts are at the ends of their chains, so it is taken,
// and each chain after it. It is kept every KEEP_MS.
//
// If it fails: a lease that could not be kept, or an append that had no answer, for
// MARGIN_MS, is as good as lost: the roles end before the lease does, so that another node
// begins when they have ended. A call of the journal may take longer than it was told, so
// this is looked at by another thread (lead_check()). A chain that another one took is lost
// at once.

#include "engine/replicator/lead.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/files/small_file.h"
#include "common/log/log.h"

#define LOOK_MS      500 // between two looks at the lease of the lead
#define KEEP_MS      5000
#define MARGIN_MS    15000
#define WAIT_MS      2000  // of a call
#define TAKE_MS      60000 // all chains are taken within
#define TAKE_LOOK_MS 20
#define RETRY_MS     3000 // after a lead that failed
#define ADOPT_MS \
    (KEEP_MS + WAIT_MS + 1000) // whoever holds a lease keeps it by then

#define TERM_FILE  "lead.term"
#define TERM_BYTES 32

struct lead {
    struct lead_config config;
    struct str holder;
    uv_thread_t thread;
    uv_mutex_t mutex; // of all below
    uv_cond_t wake;
    struct lead_view view;
    bool are_roles_ended;
    bool is_drained;
    bool is_stopping;
    bool is_poked;
    int64_t
        kept_us; // boot time: when the lease of the lead was last known to be kept
    // The thread's.
    uint64_t term;         // of the lease of the lead
    uint64_t node_term;    // of the lease of this node; 0: it has none
    int64_t node_at_us;    // when it was kept
    int64_t not_before_us; // no try to take the lead before
    int64_t take_from_us;  // since when the chains are being taken
    uint64_t own_term;     // of a lease that this directory holds from before
    int64_t own_since_us;  // since when it has not changed
    bool is_member_stored;
};

// --- what others see ---

static void set_state(struct lead *l, enum lead_state state)
{
    bool is_new;

    uv_mutex_lock(&l->mutex);
    is_new = l->view.state != state;
    l->view.state = state;
    l->are_roles_ended = l->is_stopping; // before it stops, they have ended
    uv_mutex_unlock(&l->mutex);
    if (is_new)
        l->config.on_change(l->config.data);
}

static bool is_same(const struct cluster_member *a,
                    const struct cluster_member *b)
{
    return strcmp(a->holder, b->holder) == 0 && strcmp(a->api, b->api) == 0 &&
           strcmp(a->ingest, b->ingest) == 0;
}

// Unless it has become another one meanwhile.
static void move_state(struct lead *l, enum lead_state from, enum lead_state to)
{
    bool is_new;

    uv_mutex_lock(&l->mutex);
    is_new = l->view.state == from;
    if (is_new) {
        l->view.state = to;
        l->are_roles_ended = l->is_stopping;
    }
    uv_mutex_unlock(&l->mutex);
    if (is_new)
        l->config.on_change(l->config.data);
}

static void set_lead(struct lead *l, const struct cluster_member *m)
{
    bool is_new;

    uv_mutex_lock(&l->mutex);
    is_new = m == NULL ? l->view.is_lead_known
                       : !l->view.is_lead_known || !is_same(m, &l->view.lead);
    l->view.is_lead_known = m != NULL;
    if (m != NULL)
        l->view.lead = *m;
    uv_mutex_unlock(&l->mutex);
    if (is_new)
        l->config.on_change(l->config.data);
}

struct lead_view lead_view(struct lead *l)
{
    struct lead_view view;

    uv_mutex_lock(&l->mutex);
    view = l->view;
    uv_mutex_unlock(&l->mutex);
    return view;
}

static void set_flag(struct lead *l, bool *flag, bool value)
{
    uv_mutex_lock(&l->mutex);
    *flag = value;
    l->is_poked = true;
    uv_cond_signal(&l->wake);
    uv_mutex_unlock(&l->mutex);
}

static bool flag(struct lead *l, const bool *which)
{
    bool is_set;

    uv_mutex_lock(&l->mutex);
    is_set = *which;
    uv_mutex_unlock(&l->mutex);
    return is_set;
}

static void set_kept(struct lead *l, int64_t now_us)
{
    uv_mutex_lock(&l->mutex);
    l->kept_us = now_us;
    uv_mutex_unlock(&l->mutex);
}

static int64_t since_kept_us(struct lead *l)
{
    int64_t kept_us;

    uv_mutex_lock(&l->mutex);
    kept_us = l->kept_us;
    uv_mutex_unlock(&l->mutex);
    return clock_boot_us() - kept_us;
}

// What tells, without a call of the journal, that this node may not be the lead any more.
static const char *why_overdue(struct lead *l)
{
    if (since_kept_us(l) > MARGIN_MS * INT64_C(1000))
        return "its lease could not be kept for 15 s";
    for (size_t i = 0; i < l->config.n_hosts; i++) {
        struct chain_host_status s = chain_host_status(l->config.hosts[i]);

        if (s.append_us > MARGIN_MS * INT64_C(1000))
            return "the servers of the cluster took nothing for 15 s";
    }
    return NULL;
}

static void give_up(struct lead *l, const char *why, enum lead_state state)
{
    log_warn("this node is not the lead", "node=%s reason=%s",
             l->config.me.node, log_quote(str_of(why)));
    set_state(l, state);
}

void lead_check(struct lead *l)
{
    enum lead_state state = lead_view(l).state;
    const char *why;

    if ((state != LEAD_LEADS && state != LEAD_LEAVES) ||
        flag(l, &l->are_roles_ended))
        return;
    why = why_overdue(l);
    if (why != NULL)
        give_up(l, why, LEAD_LOSES);
}

// What is said of roles before they were told to end, is of earlier ones.
void lead_roles_ended(struct lead *l)
{
    uv_mutex_lock(&l->mutex);
    l->are_roles_ended =
        l->view.state == LEAD_LEAVES || l->view.state == LEAD_LOSES;
    l->is_poked = true;
    uv_cond_signal(&l->wake);
    uv_mutex_unlock(&l->mutex);
}

void lead_set_drained(struct lead *l, bool is_drained)
{
    set_flag(l, &l->is_drained, is_drained);
}

static void pause_ms(struct lead *l, int64_t ms)
{
    uv_mutex_lock(&l->mutex);
    if (!l->is_poked)
        uv_cond_timedwait(&l->wake, &l->mutex, (uint64_t)ms * 1000000);
    l->is_poked = false;
    uv_mutex_unlock(&l->mutex);
}

// --- the lease of this node ---

static enum err store_member(struct lead *l)
{
    struct cluster_member there = { .revision = 0 };
    struct cluster_member m = l->config.me;
    enum err err =
        cluster_member_get(l->config.journal, str_of(m.node), &there);

    if (err != OK && err != ERR_NOTFOUND)
        return err;
    m.revision = there.revision;
    m.is_drained = there.is_drained;
    set_flag(l, &l->is_drained, m.is_drained);
    err = cluster_member_put(l->config.journal, &m);
    l->is_member_stored = err == OK;
    return err;
}

// Takes or keeps the lease by which others see that this node runs.
static void keep_node(struct lead *l)
{
    struct journal *j = l->config.journal;
    struct str me = l->holder;
    struct buf name;
    enum err err = ERR_CONFLICT;

    if (l->node_term != 0 &&
        clock_boot_us() - l->node_at_us < KEEP_MS * INT64_C(1000))
        return;
    buf_init(&name, 0);
    cluster_put_node_name(&name, str_of(l->config.me.node));
    if (l->node_term == 0) {
        struct buf holder;

        buf_init(&holder, 0);
        // After a restart it may be this node's still.
        if (journal_lease_get(j, buf_str(&name), WAIT_MS, &holder,
                              &l->node_term) != OK ||
            !str_eq(buf_str(&holder), me))
            l->node_term = 0;
        buf_clear(&holder);
    }
    if (l->node_term != 0)
        err = journal_lease_keep(j, buf_str(&name), me, WAIT_MS, &l->node_term);
    if (err == ERR_CONFLICT) {
        l->node_term = 0;
        err = journal_lease_take(j, buf_str(&name), me, WAIT_MS, &l->node_term);
    }
    if (err == ERR_EXISTS) {
        log_warn("another machine runs as this node of the cluster; give each "
                 "node a name of its own",
                 "node=%s", l->config.me.node);
    }
    if (err == OK) {
        l->node_at_us = clock_boot_us();
    } else {
        l->node_term = 0;
    }
    if (err == OK && !l->is_member_stored)
        (void)!store_member(l); // tried again with the next look
    buf_clear(&name);
}

// --- following ---

// Whether every part has all that its chain says, and could go on.
static bool is_candidate(struct lead *l)
{
    if (l->node_term == 0 || flag(l, &l->is_drained) ||
        clock_boot_us() < l->not_before_us)
        return false;
    for (size_t i = 0; i < l->config.n_hosts; i++) {
        struct chain_host_status s = chain_host_status(l->config.hosts[i]);

        if (s.state != CHAIN_HOST_FOLLOWS || !s.is_at_end || !s.is_reachable)
            return false;
    }
    return true;
}

// The term of the lease, in the data directory: a process that starts again knows its own
// lease by it. It is written without a sync: an older one is only of no use.
static void note_term(const struct lead *l)
{
    char *path = xasprintf("%s/" TERM_FILE, l->config.data_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char text[TERM_BYTES];

    snprintf(text, sizeof(text), "%" PRIu64 "\n", l->term);
    if (fd < 0 || !small_file_write(fd, str_of(text)))
        log_info("the term of the lead cannot be noted", "errno=%d", errno);
    if (fd >= 0)
        close(fd);
    free(path);
}

static bool is_noted(const struct lead *l, uint64_t term)
{
    char *path = xasprintf("%s/" TERM_FILE, l->config.data_dir);
    char text[TERM_BYTES];
    const char *why;
    bool is = small_file_read(path, text, sizeof(text), NULL, &why) == OK &&
              strtoull(text, NULL, 10) == term;

    free(path);
    return is;
}

static void begin_to_take(struct lead *l)
{
    log_info("this node takes the lead", "node=%s term=%" PRIu64,
             l->config.me.node, l->term);
    note_term(l);
    l->take_from_us = clock_boot_us();
    for (size_t i = 0; i < l->config.n_hosts; i++)
        chain_host_take(l->config.hosts[i], l->term);
    set_state(l, LEAD_TAKES);
}

// Whether a lease in this directory's name is from before a restart: another machine with
// a copy of the directory would keep it.
static bool is_from_before(struct lead *l, uint64_t term)
{
    if (is_noted(l, term))
        return true;
    if (term != l->own_term) {
        l->own_term = term;
        l->own_since_us = clock_boot_us();
    }
    return clock_boot_us() - l->own_since_us > ADOPT_MS * INT64_C(1000);
}

// Who is the lead, and whether this node can be.
static void look(struct lead *l)
{
    struct journal *j = l->config.journal;
    int64_t now_us = clock_boot_us();
    struct cluster_member m;
    struct buf holder;
    uint64_t term = 0;
    enum err err;

    buf_init(&holder, 0);
    err = journal_lease_get(j, STR(CLUSTER_LEAD), WAIT_MS, &holder, &term);
    if (err == ERR_NOTFOUND)
        set_lead(l, NULL);
    if (err == ERR_NOTFOUND && is_candidate(l)) {
        err = journal_lease_take(j, STR(CLUSTER_LEAD), l->holder, WAIT_MS,
                                 &l->term);
    } else if (err == OK && str_eq(buf_str(&holder), l->holder)) {
        // A lease that is not wanted is given back.
        l->term = term;
        err = is_candidate(l) && is_from_before(l, term)
                  ? journal_lease_keep(j, STR(CLUSTER_LEAD), l->holder, WAIT_MS,
                                       &l->term)
                  : ERR_AGAIN;
        if (err != OK && flag(l, &l->is_drained))
            (void)!journal_lease_give(j, STR(CLUSTER_LEAD), term, WAIT_MS);
    } else if (err == OK) {
        err = cluster_member_get(j, cluster_node_of(buf_str(&holder)), &m);
        if (err == OK)
            set_lead(l, &m);
        err = ERR_EXISTS;
    }
    buf_clear(&holder);
    if (err == OK) {
        set_kept(l, now_us);
        begin_to_take(l);
    } else {
        pause_ms(l, LOOK_MS);
    }
}

// --- taking ---

static void follow_again(struct lead *l)
{
    bool do_follow = false;

    for (size_t i = 0; i < l->config.n_hosts; i++)
        chain_host_follow(l->config.hosts[i]);
    while (!do_follow) {
        do_follow = true;
        for (size_t i = 0; i < l->config.n_hosts; i++) {
            struct chain_host_status s = chain_host_status(l->config.hosts[i]);

            do_follow = do_follow && (s.state == CHAIN_HOST_FOLLOWS ||
                                      s.state == CHAIN_HOST_ENDED);
        }
        uv_sleep(TAKE_LOOK_MS);
    }
}

static void give_back(struct lead *l)
{
    follow_again(l);
    if (journal_lease_give(l->config.journal, STR(CLUSTER_LEAD), l->term,
                           WAIT_MS) != OK)
        log_info("the lease of the lead ends by itself", "");
    l->term = 0;
    set_state(l, LEAD_FOLLOWS);
}

// Keeps the lease. False: it is not this node's any more.
static bool keep(struct lead *l)
{
    int64_t now_us = clock_boot_us();
    enum err err;

    if (since_kept_us(l) < KEEP_MS * INT64_C(1000))
        return true;
    err = journal_lease_keep(l->config.journal, STR(CLUSTER_LEAD), l->holder,
                             WAIT_MS, &l->term);
    if (err == OK) {
        set_kept(l, now_us); // before the call: it holds at least so long
        note_term(l);
    }
    return err != ERR_CONFLICT;
}

static void take(struct lead *l)
{
    size_t n_owned = 0;
    bool is_lost =
        !keep(l) || since_kept_us(l) > MARGIN_MS * INT64_C(1000) ||
        clock_boot_us() - l->take_from_us > TAKE_MS * INT64_C(1000) ||
        flag(l, &l->is_stopping);

    for (size_t i = 0; i < l->config.n_hosts; i++) {
        struct chain_host_status s = chain_host_status(l->config.hosts[i]);

        n_owned += s.state == CHAIN_HOST_OWNS;
        is_lost = is_lost || s.state == CHAIN_HOST_LOST ||
                  s.state == CHAIN_HOST_ENDED;
    }
    if (is_lost) {
        l->not_before_us = clock_boot_us() + RETRY_MS * INT64_C(1000);
        give_up(l, "a chain could not be taken", LEAD_TAKES);
        give_back(l);
    } else if (n_owned == l->config.n_hosts) {
        set_lead(l, &l->config.me);
        set_state(l, LEAD_LEADS);
    } else {
        uv_sleep(TAKE_LOOK_MS);
    }
}

// --- leading ---

static const char *why_lost(struct lead *l)
{
    if (!keep(l))
        return "its lease is another node's";
    for (size_t i = 0; i < l->config.n_hosts; i++) {
        struct chain_host_status s = chain_host_status(l->config.hosts[i]);

        if (s.state != CHAIN_HOST_OWNS)
            return "another node has taken a chain";
    }
    return why_overdue(l);
}

// Whether it is this thread that finds out. The other one may have been first.
static bool still(struct lead *l, enum lead_state state)
{
    return lead_view(l).state == state;
}

static void lead(struct lead *l)
{
    const char *why = why_lost(l);

    if (!still(l, LEAD_LEADS))
        return;
    if (why != NULL) {
        give_up(l, why, LEAD_LOSES);
    } else if (flag(l, &l->is_drained) || flag(l, &l->is_stopping)) {
        move_state(l, LEAD_LEADS, LEAD_LEAVES);
    } else {
        pause_ms(l, LOOK_MS);
    }
}

// The roles finish their work, which may take a while.
static void leave(struct lead *l)
{
    const char *why = why_lost(l);

    if (!still(l, LEAD_LEAVES))
        return;
    if (flag(l, &l->are_roles_ended)) {
        give_back(l);
    } else if (why != NULL) {
        give_up(l, why, LEAD_LOSES);
    } else {
        pause_ms(l, TAKE_LOOK_MS);
    }
}

static void lose(struct lead *l)
{
    if (!flag(l, &l->are_roles_ended)) {
        pause_ms(l, TAKE_LOOK_MS);
        return;
    }
    set_lead(l, NULL);
    l->not_before_us = clock_boot_us() + RETRY_MS * INT64_C(1000);
    follow_again(l);
    l->term = 0;
    set_state(l, LEAD_FOLLOWS);
}

static void run(void *data)
{
    struct lead *l = data;

    while (!flag(l, &l->is_stopping) || lead_view(l).state != LEAD_FOLLOWS) {
        keep_node(l);
        switch (lead_view(l).state) {
        case LEAD_FOLLOWS:
            look(l);
            break;
        case LEAD_TAKES:
            take(l);
            break;
        case LEAD_LEADS:
            lead(l);
            break;
        case LEAD_LEAVES:
            leave(l);
            break;
        case LEAD_LOSES:
            lose(l);
            break;
        }
    }
    if (l->node_term != 0) {
        struct buf name;

        buf_init(&name, 0);
        cluster_put_node_name(&name, str_of(l->config.me.node));
        (void)!journal_lease_give(l->config.journal, buf_str(&name),
                                  l->node_term, WAIT_MS);
        buf_clear(&name);
    }
}

enum err lead_start(const struct lead_config *config, struct lead **out)
{
    struct lead *l = xcalloc(1, sizeof(*l));

    l->config = *config;
    l->holder = str_of(l->config.me.holder);
    uv_mutex_init(&l->mutex);
    uv_cond_init(&l->wake);
    if (uv_thread_create(&l->thread, run, l) != 0) {
        free(l);
        return ERR_IO;
    }
    *out = l;
    return OK;
}

void lead_stop(struct lead *l)
{
    set_flag(l, &l->is_stopping, true);
    uv_thread_join(&l->thread);
}
