// SPDX-License-Identifier: MIT
// role.c — what all processes except the supervisor have in common.

#include "common/process/role.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/mem.h"
#include "common/config/config_check.h"
#include "common/config/settings.h"
#include "common/files/keyring.h"
#include "common/files/payload_keys.h"
#include "common/log/log.h"
#include "common/process/control_socket.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"
#include "common/process/sandbox.h"
#include "common/process/watchdog.h"

#define SOURCES_MAX    64
#define SECOND_MS      1000
#define MEMORY_SECONDS 5
#define INDEX_MAX      16 // roles of a kind

struct role {
    enum role_kind kind;
    unsigned index;
    uv_loop_t loop;
    uv_poll_t control;
    uv_timer_t second;
    uv_timer_t beat;
    uv_prepare_t turn;
    uint64_t turned_at_ns, idle_ns; // when the turn began, and how long it was
                                    // idle before
    uv_signal_t term;
    struct config config;
    struct config *old_config; // kept for one reload: modules may borrow
    struct role_handlers handlers;
    uint32_t link_nos[ROLES][INDEX_MAX]; // of the newest links
    unsigned n_seconds;
    bool is_ready;
    bool is_draining;
};

// The supervisor passes its sources as lines: the file's name, or an empty line,
// then one --set per line.
static enum err load_config(struct config *out, int file_fd, struct buf *faults)
{
    const char *text = getenv(CONTROL_ENV_SOURCES);
    char *copy = xstrdup(text != NULL ? text : "");
    char *sets[SOURCES_MAX];
    struct config_sources sources = { .sets = sets, .file_fd = file_fd };
    char *line = copy;
    enum err err;

    for (size_t i = 0; line != NULL; i++) {
        char *end = strchr(line, '\n');

        if (end != NULL)
            *end = '\0';
        if (i == 0 && line[0] != '\0')
            sources.file = line;
        if (i > 0 && line[0] != '\0' && sources.n_sets < SOURCES_MAX)
            sets[sources.n_sets++] = line;
        line = end != NULL ? end + 1 : NULL;
    }
    err = config_load(&sources, out, faults);
    free(copy);
    return err;
}

static void name_process(struct role *r)
{
    char name[ROLE_LABEL_BYTES];
    char title[64];

    role_label(r->kind, r->index, name);
    snprintf(title, sizeof(title),
             role_is_many(r->kind) ? "posthorn: %s %u" : "posthorn: %s",
             role_name(r->kind), r->index);
    log_role(name);
    uv_set_process_title(title);
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

static void attach_metrics(struct role *r)
{
    const char *text = getenv(CONTROL_ENV_SLOT);
    unsigned slot;
    bool is_there;

    if (text == NULL || r->kind == ROLE_SETUP)
        return;
    slot = (unsigned)strtoul(text, NULL, 10);
    is_there = role_is_outward(r->kind)
                   ? metrics_attach_alone(METRICS_FD)
                   : metrics_attach(METRICS_FD, PAGES_FD, slot);
    if (!is_there)
        log_fatal("shared memory for metrics cannot be mapped", "");
}

// Raises the limit to as many descriptors as the system allows without privileges.
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        log_warn("the limit of open files cannot be raised", "max=%llu",
                 (unsigned long long)limit.rlim_max);
    }
}

struct role *role_start(enum role_kind kind, unsigned index)
{
    struct role *r = xcalloc(1, sizeof(*r));
    struct buf faults;

    r->kind = kind;
    r->index = index;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGINT, SIG_IGN); // a terminal sends it to the whole group
    signal(SIGHUP, SIG_IGN); // the supervisor sends the reload
    signal(SIGPIPE, SIG_IGN);
    name_process(r);
    attach_metrics(r);
    if (kind != ROLE_SETUP) {
        blame_attach(BLAME_FD);
        close(BLAME_FD);
    }
    raise_file_limit();
    buf_init(&faults, 0);
    if (load_config(&r->config, 0, &faults) != OK) {
        log_fatal("the settings are not valid", "faults=%s",
                  log_quote(buf_str(&faults)));
    }
    buf_clear(&faults);
    log_set_debug(r->config.debug);
    log_set_json(config_logs_json(&r->config));
    // Setup makes the key first, where only root may; senders read certificates
    // only, the exporter its headers, and a relay nothing.
    if (kind != ROLE_SETUP && !role_is_outward(kind))
        sandbox_user(kind, &r->config);
    sandbox_early(&r->config);
    if (uv_loop_init(&r->loop) != 0 ||
        uv_loop_configure(&r->loop, UV_METRICS_IDLE_TIME) != 0)
        log_fatal("the event loop cannot be started", "");
    return r;
}

struct uv_loop_s *role_loop(struct role *r)
{
    return &r->loop;
}

// The largest frame that `from` may write to `to`; 0: they are not linked.
static size_t frame_max_bytes(enum role_kind from, enum role_kind to)
{
    static const size_t max_bytes[ROLES][ROLES] = {
        [ROLE_DISPATCHER][ROLE_SENDER] = ORDER_FRAME_MAX_BYTES,
        [ROLE_SENDER][ROLE_DISPATCHER] = OUTCOME_FRAME_MAX_BYTES,
        [ROLE_API][ROLE_DISPATCHER] = QUERY_FRAME_MAX_BYTES,
        [ROLE_DISPATCHER][ROLE_API] = QUERY_FRAME_MAX_BYTES,
        [ROLE_DISPATCHER][ROLE_INGEST] = ENGINE_EVENT_FRAME_MAX_BYTES,
        [ROLE_INGEST][ROLE_DISPATCHER] = ENGINE_EVENT_FRAME_MAX_BYTES,
        [ROLE_INGEST][ROLE_EXPORTER] = SPAN_FRAME_MAX_BYTES,
        [ROLE_DISPATCHER][ROLE_EXPORTER] = SPAN_FRAME_MAX_BYTES,
        [ROLE_EXPORTER][ROLE_INGEST] = NO_FRAME_MAX_BYTES,
        [ROLE_EXPORTER][ROLE_DISPATCHER] = NO_FRAME_MAX_BYTES,
        [ROLE_REPLICATOR][ROLE_RELAY] = LEAD_FRAME_MAX_BYTES,
        [ROLE_RELAY][ROLE_REPLICATOR] = NO_FRAME_MAX_BYTES,
    };

    return max_bytes[from][to];
}

struct channel *role_open_channel(struct role *r, enum role_kind peer, int fd,
                                  const struct channel_handlers *handlers)
{
    const struct channel_limits limits = {
        .in_bytes = frame_max_bytes(peer, r->kind),
        .out_bytes = frame_max_bytes(r->kind, peer),
    };

    if (limits.in_bytes == 0 || limits.out_bytes == 0) {
        log_panic("a role got a link to a role that it must not talk to",
                  "peer=%s", role_name(peer));
    }
    return channel_open(&r->loop, fd, limits, handlers);
}

int role_tls_fd(const struct role *r)
{
    (void)r;
    return getenv(CONTROL_ENV_TLS) != NULL ? TLS_FD : -1;
}

struct keyring *role_keys(const struct role *r)
{
    char *path = keyring_path(r->config.secret_key_file, r->config.data_dir);
    struct keyring *keys = NULL;
    struct buf why;

    buf_init(&why, 0);
    if (keyring_read(path, &keys, &why) != OK) {
        log_fatal("the key that encrypts secrets cannot be read", "reason=%s",
                  log_quote(buf_str(&why)));
    }
    buf_clear(&why);
    free(path);
    return keys;
}

struct payload_keys *role_payload_keys(const struct role *r,
                                       struct keyring *keys)
{
    const char *dir = r->config.payload_keys_dir;
    struct payload_keys *out = NULL;
    struct buf why;

    if (dir[0] == '\0')
        return NULL;
    buf_init(&why, 0);
    if (payload_keys_open(dir, keys != NULL ? keys : role_keys(r),
                          r->kind == ROLE_INGEST, &out, &why) != OK) {
        log_fatal("payload_keys_dir cannot be used", "reason=%s",
                  log_quote(buf_str(&why)));
    }
    buf_clear(&why);
    return out;
}

const struct config *role_config(const struct role *r)
{
    return &r->config;
}

unsigned role_index(const struct role *r)
{
    return r->index;
}

static void drain(struct role *r)
{
    if (r->is_draining)
        return;
    r->is_draining = true;
    log_info("draining", "");
    r->handlers.on_drain(r->handlers.data);
}

// Settings that need a restart keep their values; the result must still be
// consistent.
static enum err read_again(struct role *r, int file_fd, struct config *fresh,
                           struct buf *faults)
{
    enum err err = load_config(fresh, file_fd, faults);

    if (err != OK)
        return err;
    config_keep_fixed(fresh, &r->config);
    config_check(fresh, faults);
    if (faults->n_bytes == 0) {
        config_note_pending(fresh, &r->config);
        return OK;
    }
    config_keep_fixed(fresh, &r->config); // each owns its values again
    return ERR_INVALID;
}

static void reload(struct role *r, int file_fd)
{
    struct control_message done = { .type = CONTROL_RELOADED };
    struct config fresh;
    struct buf faults;

    buf_init(&faults, 0);
    if (read_again(r, file_fd, &fresh, &faults) != OK) {
        log_warn("settings not reloaded because they are not valid",
                 "faults=%s", log_quote(buf_str(&faults)));
        config_clear(&fresh);
        done.error = EINVAL;
    } else {
        if (r->old_config != NULL) {
            config_clear(r->old_config);
            free(r->old_config);
        }
        r->old_config = xmalloc(sizeof(*r->old_config));
        *r->old_config = r->config;
        r->config = fresh;
        log_set_debug(r->config.debug);
        log_set_json(config_logs_json(&r->config));
        if (r->handlers.on_reload != NULL)
            r->handlers.on_reload(r->handlers.data);
    }
    buf_clear(&faults);
    if (control_send(CONTROL_FD, &done, -1) != OK)
        log_warn("a message to the supervisor cannot be sent", "");
}

static void tell_no_link(uint32_t kind, uint32_t index, uint32_t link_no,
                         int error)
{
    struct control_message lost = { .type = CONTROL_NO_LINK,
                                    .kind = kind,
                                    .index = index,
                                    .link_no = link_no,
                                    .error = error };

    if (control_send(CONTROL_FD, &lost, -1) != OK)
        log_warn("a message to the supervisor cannot be sent", "");
}

void role_link_lost(struct role *r, enum role_kind peer, unsigned index)
{
    if (index < INDEX_MAX && !r->is_draining)
        tell_no_link(peer, index, r->link_nos[peer][index], ENOTCONN);
}

void role_order_lead(struct role *r, enum lead_order order)
{
    const struct control_message m = { .type = CONTROL_LEAD,
                                       .kind = r->kind,
                                       .error = (int32_t)order };

    // Without the supervisor's help a lead that was lost would go on.
    if (control_send(CONTROL_FD, &m, -1) != OK)
        log_fatal("a message to the supervisor cannot be sent", "");
}

static void take_link(struct role *r, const struct control_message *m, int fd)
{
    if (m->kind >= ROLES || m->index >= INDEX_MAX) {
        close(fd);
        return;
    }
    r->link_nos[m->kind][m->index] = m->link_no;
    if (fd < 0) { // this process has no free descriptor
        tell_no_link(m->kind, m->index, m->link_no, EMFILE);
    } else if (r->handlers.on_link != NULL) {
        r->handlers.on_link(r->handlers.data, (enum role_kind)m->kind, m->index,
                            fd);
    } else {
        close(fd);
    }
}

static void take_end(struct role *r, const struct control_message *m)
{
    const struct death death = { .is_own = m->is_own != 0,
                                 .blamed = m->blamed };

    if (r->handlers.on_peer_ended != NULL) {
        r->handlers.on_peer_ended(r->handlers.data, (enum role_kind)m->kind,
                                  m->index, &death);
    }
}

static void obey(struct role *r, const struct control_message *m, int fd)
{
    switch ((enum control_type)m->type) {
    case CONTROL_LINK:
        take_link(r, m, fd);
        fd = -1;
        break;
    case CONTROL_RELOAD:
        reload(r, fd);
        break;
    case CONTROL_TLS:
        if (fd >= 0 && r->handlers.on_tls != NULL)
            r->handlers.on_tls(r->handlers.data, fd);
        break;
    case CONTROL_DRAIN:
        drain(r);
        break;
    case CONTROL_ENDED:
        take_end(r, m);
        break;
    case CONTROL_STOOD_DOWN:
        if (r->handlers.on_stood_down != NULL)
            r->handlers.on_stood_down(r->handlers.data);
        break;
    case CONTROL_READY:
    case CONTROL_NO_LINK:
    case CONTROL_RELOADED:
    case CONTROL_CONNECTS:
    case CONTROL_LEAD:
        break; // only roles send these
    }
    if (fd >= 0)
        close(fd);
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    struct role *r = poll->data;
    struct control_message m;
    enum err err = status < 0 ? ERR_NOTFOUND : OK;
    int fd;

    (void)events;
    while (err == OK) {
        err = control_receive(CONTROL_FD, &m, &fd);
        if (err == OK)
            obey(r, &m, fd);
    }
    if (err == ERR_NOTFOUND)
        log_fatal("the supervisor has ended, so this role ends", "");
}

static void on_second(uv_timer_t *timer)
{
    struct role *r = timer->data;

    if (r->n_seconds++ % MEMORY_SECONDS == 0)
        metrics_note_memory();
    if (r->handlers.on_second != NULL)
        r->handlers.on_second(r->handlers.data);
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer;
    pulse_beat();
    watchdog_turned();
}

// Measures a turn of the loop without its idle time: how long everything else had
// to wait for the turn's work.
static void on_turn(uv_prepare_t *turn)
{
    struct role *r = turn->data;
    uint64_t now_ns = uv_hrtime();
    uint64_t idle_ns = uv_metrics_idle_time(&r->loop);

    if (r->turned_at_ns != 0) {
        metrics_observe_us(
            HISTOGRAM_TURN_SECONDS,
            (int64_t)(now_ns - r->turned_at_ns - (idle_ns - r->idle_ns)) /
                1000);
    }
    r->turned_at_ns = now_ns;
    r->idle_ns = idle_ns;
}

static void on_term(uv_signal_t *term, int signum)
{
    (void)signum;
    drain(term->data);
}

void role_ready(struct role *r, const struct role_handlers *handlers)
{
    struct control_message m = { .type = CONTROL_READY,
                                 .kind = r->kind,
                                 .index = r->index };

    r->handlers = *handlers;
    r->is_ready = true;
    uv_poll_init(&r->loop, &r->control, CONTROL_FD);
    r->control.data = r;
    uv_poll_start(&r->control, UV_READABLE, on_control);
    uv_timer_init(&r->loop, &r->second);
    r->second.data = r;
    uv_timer_start(&r->second, on_second, SECOND_MS, SECOND_MS);
    uv_timer_init(&r->loop, &r->beat);
    uv_timer_start(&r->beat, on_beat, PULSE_EVERY_MS, PULSE_EVERY_MS);
    uv_prepare_init(&r->loop, &r->turn);
    r->turn.data = r;
    uv_prepare_start(&r->turn, on_turn);
    uv_signal_init(&r->loop, &r->term);
    r->term.data = r;
    uv_signal_start(&r->term, on_term, SIGTERM);
    watchdog_start(); // in the sandbox a sender may set no timer
    sandbox_enter(r->kind, &r->config);
    metrics_note_memory();
    pulse_beat();
    if (control_send(CONTROL_FD, &m, -1) != OK)
        log_fatal("a message to the supervisor cannot be sent", "");
}

int role_run(struct role *r)
{
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_run(&r->loop,
           UV_RUN_NOWAIT); // frames just written to a channel are sent
    log_info("done", "");
    fflush(NULL);
    // Not a return through main(): LMDB environments must not be torn down
    // (queue.h), and everything else dies with the process.
    _exit(0);
}

void role_done(struct role *r)
{
    uv_stop(&r->loop);
}
