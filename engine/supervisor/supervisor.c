// SPDX-License-Identifier: MIT
// supervisor.c — starts the roles, watches them, and ends them in order.
//
// Happy path: check the settings, bind the sockets, lock the data directory,
// run `setup` to its end, start every role (child.c), give each pair of
// neighbours a socketpair (links.c), wait for all to be ready.
//
// If a role dies or cannot be spawned: it is started again (child.c).
// If a role that listens does not answer: the supervisor does (stand_in.c).
// If the supervisor dies: the roles see their control sockets close, and end.
// On a node of a cluster: the replicator says which roles run (lead_roles.c).
// SIGTERM: relays, ingest, dispatchers, senders, api, exporter, replicator are drained in this order, each
// kind once the one before is gone. A second signal ends them at once.

#include "engine/supervisor/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/files/engine_file.h"
#include "common/log/log.h"
#include "common/process/control_socket.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"
#include "common/process/role.h"
#include "engine/supervisor/child.h"
#include "engine/supervisor/connect_probe.h"
#include "engine/supervisor/lead_roles.h"
#include "engine/supervisor/links.h"
#include "engine/supervisor/liveness.h"
#include "engine/supervisor/notify.h"
#include "engine/supervisor/preflight.h"
#include "engine/supervisor/stand_in.h"

#define DRAIN_GRACE_MS 10000 // after the drain timeout, before SIGKILL
#define OWN_SLOT       0     // the supervisor's metrics page

struct supervisor {
    struct child_owner owner;
    uv_loop_t loop;
    uv_signal_t signals[3];
    uv_timer_t drain_timer;
    uv_timer_t beat;
    const struct config_sources *sources;
    struct config config;
    struct preflight preflight;
    struct connect_plan connects;
    struct child setup;
    struct child children[CHILDREN_MAX];
    size_t n_children;
    struct links links;
    struct lead_roles lead_roles;  // on a node of a cluster
    struct stand_in *stand_ins[2]; // of api and ingest
    size_t n_stand_ins;
    struct notify notify;
    struct engine_file file; // in the data directory
    bool is_file_wanted;     // the file could not be written yet
    bool is_want_said;
    bool is_reloading;      // not all roles have read the settings again yet
    bool is_reload_partial; // a role has kept the old settings
    bool is_reload_faulty;  // all keep the old settings: the new have faults
    bool was_all_ready;
    bool has_been_ready;
    size_t stage; // of the drain
    int exit_status;
};

static struct supervisor *supervisor_of(const struct child *c)
{
    return (struct supervisor *)(void *)((char *)c->owner -
                                         offsetof(struct supervisor, owner));
}

static void next_stage(struct supervisor *s);
static void drain(struct supervisor *s);

// --- what the service manager is told ---

static void tell_ready(struct supervisor *s, const char *more)
{
    notify_tell(&s->notify, "READY=1\nSTATUS=Ready: API on %s, intake on %s%s",
                s->config.api_listen, s->config.ingest_listen, more);
}

static void tell_unready(struct supervisor *s, const struct child *c)
{
    char label[ROLE_LABEL_BYTES];

    role_label(c->kind, c->index, label);
    notify_tell(&s->notify,
                "STATUS=Not ready: %s does not run; it is started "
                "again",
                label);
}

// A reload has ended once every role has read the settings.
static void check_reload(struct supervisor *s)
{
    if (!s->is_reloading || s->owner.is_ending)
        return;
    for (size_t i = 0; i < s->n_children; i++) {
        const struct child *c = &s->children[i];

        if (c->n_reloads > 0 || (!c->is_ready && c->is_wanted))
            return;
    }
    s->is_reloading = false;
    if (s->is_reload_faulty) {
        tell_ready(s, "; settings not reloaded, they have faults, see the log");
    } else {
        tell_ready(s, s->is_reload_partial
                          ? "; some roles kept their old settings, see the log"
                          : "; settings reloaded");
    }
}

static void beat_for_manager(struct supervisor *s)
{
    int64_t patience_us = notify_patience_us(&s->notify);
    bool do_all_live =
        !s->setup.is_alive || child_lives(&s->setup, patience_us);

    // A drain has its own time limit.
    for (size_t i = 0; i < s->n_children && !s->owner.is_ending; i++)
        do_all_live = child_lives(&s->children[i], patience_us) && do_all_live;
    // Migrating or reading what is stored may take long.
    if (!s->has_been_ready && !s->owner.is_ending && do_all_live)
        notify_extend(&s->notify);
    notify_beat(&s->notify, do_all_live);
}

// --- messages of children ---

static void check_readiness(struct supervisor *s)
{
    const struct child *missing = NULL;

    for (size_t i = 0; i < s->n_children && missing == NULL; i++) {
        if (s->children[i].is_wanted && !s->children[i].is_ready)
            missing = &s->children[i];
    }
    if (missing == NULL && !s->was_all_ready) {
        log_info("ready", "api=%s ingest=%s data_dir=%s", s->config.api_listen,
                 s->config.ingest_listen,
                 log_quote(str_of(s->config.data_dir)));
        if (!s->is_reloading &&
            !s->owner.is_ending) // READY would mean that the settings are read
            tell_ready(s, "");
    }
    if (missing != NULL && s->was_all_ready && !s->owner.is_ending)
        tell_unready(s, missing);
    s->was_all_ready = missing == NULL;
    s->has_been_ready = s->has_been_ready || s->was_all_ready;
    check_reload(s);
}

static void on_started(struct child *c)
{
    if (c->kind != ROLE_SETUP)
        links_connect(&supervisor_of(c)->links, c);
}

static void on_message(struct child *c, const struct control_message *m)
{
    struct supervisor *s = supervisor_of(c);

    if (m->type == CONTROL_READY)
        check_readiness(s);
    if (m->type == CONTROL_NO_LINK)
        links_lost(&s->links, c, m);
    if (m->type == CONTROL_LEAD && c->kind == ROLE_REPLICATOR &&
        (!s->owner.is_ending || m->error == LEAD_FALL)) {
        lead_roles_obey(&s->lead_roles, (enum lead_order)m->error);
        check_readiness(s);
    }
    if (m->type == CONTROL_RELOADED) {
        c->n_reloads -= c->n_reloads > 0;
        s->is_reload_partial = s->is_reload_partial || m->error != 0;
        check_reload(s);
    }
}

// A role ended because what is stored is damaged. If the engine has been ready before,
// it goes on: the other roles are of use, and the next start of this role may not need
// the damaged part. An engine that cannot even start ends.
static void on_damage(struct supervisor *s)
{
    log_warn("stored data is damaged; this command saves everything that can "
             "be read into a new directory",
             "run=\"posthorn repair --data-dir %s --to NEW_DIR\"",
             s->config.data_dir);
    if (!s->has_been_ready && !s->owner.is_ending) {
        s->exit_status = 1;
        drain(s);
    }
}

// An engine that cannot join its cluster ends, if it has never been ready.
static void on_replicator_ended(struct supervisor *s, int64_t status)
{
    lead_roles_lose_replicator(&s->lead_roles);
    if (status == EXIT_REFUSED && !s->has_been_ready && !s->owner.is_ending) {
        s->exit_status = 1;
        drain(s);
    }
}

static void on_ended(struct child *c, int64_t status, int signum,
                     const struct death *death)
{
    struct supervisor *s = supervisor_of(c);

    if (c->kind == ROLE_SETUP) {
        s->exit_status = status != 0 || signum != 0 ? 1 : 0;
        return;
    }
    links_ended(&s->links, c, death);
    check_readiness(s);
    if (status == EXIT_DAMAGED)
        on_damage(s);
    if (c->kind == ROLE_REPLICATOR)
        on_replicator_ended(s, status);
}

static void on_closed(struct child *c)
{
    struct supervisor *s = supervisor_of(c);

    if (c->kind == ROLE_SETUP) {
        uv_stop(&s->loop); // lets run_setup() return
    } else if (s->owner.is_ending) {
        next_stage(s);
    } else {
        lead_roles_on_closed(&s->lead_roles);
    }
}

static struct child *add_child(struct supervisor *s, enum role_kind kind,
                               unsigned index, int listen_fd,
                               const struct listener_tls *tls)
{
    struct child *c = &s->children[s->n_children];

    assert(s->n_children < CHILDREN_MAX);
    c->slot = (unsigned)s->n_children + 1;
    c->listen_fd = listen_fd;
    c->tls_fd = tls != NULL ? &tls->fd : NULL;
    child_init(c, &s->owner, kind, index);
    s->n_children++;
    if (listen_fd >= 0)
        s->stand_ins[s->n_stand_ins++] = stand_in_new(&s->loop, c);
    return c;
}

// --- ending ---

static void kill_all(struct supervisor *s)
{
    for (size_t i = 0; i < s->n_children; i++)
        child_kill(&s->children[i], SIGKILL);
}

static void next_stage(struct supervisor *s)
{
    while (s->stage < LEAD_ROLES_DRAIN_STAGES &&
           !lead_roles_has_alive(&s->lead_roles,
                                 lead_roles_drain_kind(s->stage))) {
        s->stage++;
        for (size_t i = 0;
             i < s->n_children && s->stage < LEAD_ROLES_DRAIN_STAGES; i++) {
            // A child that cannot be told is dead: its exit will be reported.
            if (s->children[i].kind == lead_roles_drain_kind(s->stage))
                child_tell(&s->children[i], CONTROL_DRAIN);
        }
    }
    if (s->stage == LEAD_ROLES_DRAIN_STAGES)
        uv_stop(&s->loop);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    struct supervisor *s = timer->data;

    log_warn("draining takes too long; all roles are ended", "");
    s->exit_status = 1;
    kill_all(s);
}

static void drain(struct supervisor *s)
{
    if (s->owner.is_ending) {
        log_warn("the engine was told to stop a second time and does not wait "
                 "any longer",
                 "");
        s->exit_status = 1;
        kill_all(s);
        return;
    }
    log_info("draining", "");
    s->owner.is_ending = true;
    pulse_set_state(OWN_SLOT, PULSE_DRAINING, 0);
    // The manager must wait as long as the drain may take, and a little longer.
    notify_tell(&s->notify,
                "STOPPING=1\nSTATUS=Draining: what is in flight is finished\n"
                "EXTEND_TIMEOUT_USEC=%" PRId64,
                (s->config.drain_timeout_ms + 2 * (int64_t)DRAIN_GRACE_MS) *
                    1000);
    s->stage = 0;
    uv_timer_start(&s->drain_timer, on_drain_timeout,
                   (uint64_t)s->config.drain_timeout_ms + DRAIN_GRACE_MS, 0);
    for (size_t i = 0; i < s->n_children; i++) {
        struct child *c = &s->children[i];

        child_stay_down(c);
        if (c->kind == lead_roles_drain_kind(0))
            child_tell(c, CONTROL_DRAIN);
    }
    next_stage(s);
}

// Writes the engine file. If that fails, for example on a full disk, each beat tries
// again.
static void write_file(struct supervisor *s)
{
    snprintf(s->file.api, sizeof(s->file.api), "%s", s->config.api_listen);
    snprintf(s->file.ingest, sizeof(s->file.ingest), "%s",
             s->config.ingest_listen);
    snprintf(s->file.api_pins, sizeof(s->file.api_pins), "%s",
             s->preflight.api_tls.pins);
    snprintf(s->file.ingest_pins, sizeof(s->file.ingest_pins), "%s",
             s->preflight.ingest_tls.pins);
    s->is_file_wanted = engine_file_write(s->preflight.lock_fd, &s->file) != OK;
    if (s->is_file_wanted && !s->is_want_said) {
        log_warn("the file of the running engine cannot be written; commands "
                 "may not find the engine by its data directory",
                 "file=" ENGINE_FILE_NAME " errno=%d", errno);
        s->is_want_said = true;
    }
}

// Tells roles to reload. They get the settings from the supervisor, since a role may
// not be able to open the file any more.
static void tell_reload(struct supervisor *s)
{
    struct control_message m = { .type = CONTROL_RELOAD };

    for (size_t i = 0; i < s->n_children; i++) {
        struct child *c = &s->children[i];
        int fd = s->sources->file != NULL
                     ? open(s->sources->file, O_RDONLY | O_CLOEXEC)
                     : -1;

        c->n_reloads += c->is_alive;
        if (c->is_alive && control_send(c->control_fd, &m, fd) != OK) {
            log_warn("a message to a role cannot be sent", "role=%s index=%u",
                     role_name(c->kind), c->index);
            c->n_reloads--;
            s->is_reload_partial = true;
        }
        if (fd >= 0)
            close(fd);
    }
}

// Hands a listener's new certificate to its role; a role that starts gets it anyway.
static void hand_certificate(struct supervisor *s, enum role_kind kind,
                             const struct listener_tls *tls)
{
    struct control_message m = { .type = CONTROL_TLS };

    for (size_t i = 0; tls->is_new && i < s->n_children; i++) {
        struct child *c = &s->children[i];

        if (c->kind != kind || !c->is_alive ||
            control_send(c->control_fd, &m, tls->fd) == OK)
            continue;
        log_warn("a message to a role cannot be sent", "role=%s index=%u",
                 role_name(c->kind), c->index);
        s->is_reload_partial = true;
    }
}

// Reads the certificates again, whether or not the settings have faults: they may
// expire.
static void reload_certificates(struct supervisor *s)
{
    struct preflight *up = &s->preflight;

    bool is_good =
        listener_tls_again(&up->api_tls, "api_tls", &s->config.api_tls);

    is_good = listener_tls_again(&up->ingest_tls, "ingest_tls",
                                 &s->config.ingest_tls) &&
              is_good;
    s->is_reload_partial = s->is_reload_partial || !is_good;
    if (up->api_tls.is_new || up->ingest_tls.is_new)
        write_file(s); // before clients see the new keys
    hand_certificate(s, ROLE_API, &up->api_tls);
    hand_certificate(s, ROLE_INGEST, &up->ingest_tls);
}

static void reload(struct supervisor *s)
{
    struct config fresh;
    struct buf faults;

    if (s->owner.is_ending) {
        log_info("settings not reloaded because the engine ends", "");
        return;
    }
    buf_init(&faults, 0);
    s->is_reload_partial = s->is_reload_partial && s->is_reloading;
    s->is_reload_faulty = false;
    s->is_reloading = true;
    notify_reloading(&s->notify);
    reload_certificates(s);
    if (config_load(s->sources, &fresh, &faults) != OK) {
        log_warn("settings not reloaded because they are not valid",
                 "faults=%s", log_quote(buf_str(&faults)));
        s->is_reload_faulty = true;
    } else {
        log_set_json(config_logs_json(&fresh));
        log_info("settings reloaded", "");
        // For example a token that root has written since.
        preflight_hand_over(&s->config, &s->preflight);
        tell_reload(s);
    }
    check_reload(s);
    config_clear(&fresh);
    buf_clear(&faults);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct supervisor *s = handle->data;

    if (signum == SIGHUP) {
        reload(s);
    } else {
        drain(s);
    }
}

// --- starting ---

static char *join_sources(const struct config_sources *sources)
{
    struct buf text;
    size_t n_bytes;

    buf_init(&text, 0);
    if (sources->file != NULL)
        buf_puts(&text, sources->file);
    for (size_t i = 0; i < sources->n_sets; i++)
        buf_printf(&text, "\n%s", sources->sets[i]);
    buf_putc(&text, '\0');
    return buf_take(&text, &n_bytes);
}

static void run_setup(struct supervisor *s)
{
    s->setup.listen_fd = -1;
    child_init(&s->setup, &s->owner, ROLE_SETUP, 0);
    child_start(&s->setup);
    uv_run(&s->loop, UV_RUN_DEFAULT); // until setup has exited
}

// What a node of a cluster has besides. Relays listen where ingest and api do, which do
// not run at the same time.
static void add_node(struct supervisor *s, int api_fd, int ingest_fd)
{
    struct child *c = add_child(s, ROLE_RELAY, 0, -1, &s->preflight.ingest_tls);

    c->listen_fd = ingest_fd;
    c = add_child(s, ROLE_RELAY, 1, -1, &s->preflight.api_tls);
    c->listen_fd = api_fd;
    add_child(s, ROLE_REPLICATOR, 0, -1, NULL);
}

static void start_roles(struct supervisor *s, int api_fd, int ingest_fd)
{
    for (unsigned i = 0; i < s->config.dispatchers; i++)
        add_child(s, ROLE_DISPATCHER, i, -1, NULL);
    add_child(s, ROLE_INGEST, 0, ingest_fd, &s->preflight.ingest_tls);
    add_child(s, ROLE_API, 0, api_fd, &s->preflight.api_tls);
    for (unsigned i = 0; i < s->config.senders; i++)
        add_child(s, ROLE_SENDER, i, -1, NULL);
    if (s->config.otlp_traces[0] != '\0')
        add_child(s, ROLE_EXPORTER, 0, -1, NULL);
    if (config_is_clustered(&s->config))
        add_node(s, api_fd, ingest_fd);
    lead_roles_init(&s->lead_roles, s->children, &s->n_children,
                    config_is_clustered(&s->config));
    links_init(&s->links, &s->loop, s->children, &s->n_children);
    for (size_t i = 0; i < s->n_children; i++)
        child_start(&s->children[i]);
}

static void watch_signals(struct supervisor *s)
{
    static const int wanted[] = { SIGTERM, SIGINT, SIGHUP };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_signal, wanted[i]);
    }
    uv_timer_init(&s->loop, &s->drain_timer);
    s->drain_timer.data = s;
}

static void on_beat(uv_timer_t *timer)
{
    struct supervisor *s = timer->data;

    pulse_beat();
    for (size_t i = 0; i < s->n_stand_ins; i++)
        stand_in_check(s->stand_ins[i]);
    beat_for_manager(s);
    if (s->is_file_wanted)
        write_file(s);
}

static void make_page(struct supervisor *s)
{
    // Besides dispatchers and senders: the supervisor, ingest, api, the exporter.
    // A node of a cluster has two relays and the replicator besides.
    unsigned n_others = 3U + (s->config.otlp_traces[0] != '\0') +
                        (config_is_clustered(&s->config) ? 3U : 0);

    if (!metrics_create((unsigned)(s->config.dispatchers + s->config.senders) +
                        n_others)) {
        log_fatal("shared memory for metrics cannot be mapped", "errno=%d",
                  errno);
    }
    metrics_name(OWN_SLOT, "supervisor", METRICS_SUPERVISOR);
    metrics_note_memory();
    pulse_beat();
    pulse_set_state(OWN_SLOT, PULSE_READY, 0);
    uv_timer_init(&s->loop, &s->beat);
    s->beat.data = s;
    uv_timer_start(&s->beat, on_beat, PULSE_EVERY_MS, PULSE_EVERY_MS);
}

int supervisor_run(const struct config_sources *sources)
{
    static struct supervisor *s; // kept until the process ends

    s = xcalloc(1, sizeof(*s));
    s->sources = sources;
    notify_open(&s->notify);
    if (preflight_prepare(sources, &s->config, &s->preflight) != OK) {
        config_clear(&s->config);
        free(s);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    log_role("supervisor");
    uv_set_process_title("posthorn: supervisor");
    connect_plan_make(&s->config, &s->preflight, &s->connects);
    if (uv_loop_init(&s->loop) != 0)
        log_fatal("the event loop cannot be started", "");
    engine_file_init(&s->file);
    s->owner = (struct child_owner){ .loop = &s->loop,
                                     .accounts = &s->preflight.accounts,
                                     .connects = &s->connects,
                                     .sources_text = join_sources(sources),
                                     .instance = s->file.instance,
                                     .secret = s->file.secret,
                                     .on_started = on_started,
                                     .on_message = on_message,
                                     .on_ended = on_ended,
                                     .on_closed = on_closed };
    make_page(s);
    notify_extend(&s->notify); // setup may migrate what is stored
    signal(SIGHUP,
           SIG_IGN); // roles that start later read the settings anyway
    run_setup(s);
    if (s->exit_status != 0)
        return s->exit_status;
    watch_signals(s);
    write_file(s);
    start_roles(s, s->preflight.api_fd, s->preflight.ingest_fd);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    engine_file_remove(s->preflight.lock_fd, &s->file);
    log_info("stopped", "status=%d", s->exit_status);
    return s->exit_status;
}
