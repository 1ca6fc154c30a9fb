// supervisor.c — starts the roles, watches them, and ends them in order.
//
// Happy path: judge the settings, bind the sockets, lock the data directory,
// run `setup` to its end, start every role, give each pair of neighbours a
// socketpair, wait for all to be ready.
//
// If a role dies: it is started again, at once if it had lived a second,
// otherwise after a wait that doubles; its neighbours get new links.
// If the supervisor dies: the roles see their control sockets close, and end.
// SIGTERM: ingest, dispatchers, senders, api are drained in this order, each
// kind once the one before is gone. A second signal ends them at once.

#include "engine/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/clock.h"
#include "common/control.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/role.h"
#include "engine/startup.h"

#define CHILDREN_MAX      40
#define YOUNG_US          1000000 // who dies younger is restarted with a delay
#define RESTART_MIN_MS    100
#define RESTART_MAX_MS    10000
#define DRAIN_GRACE_MS    10000 // past the drain timeout, before SIGKILL
#define LINK_BUFFER_BYTES (1 << 20)

// The permitted links between roles; everything else is not connected.
static const struct {
    enum role_kind from, to;
} links[] = {
    { ROLE_INGEST, ROLE_DISPATCHER }, // hint: new events
    { ROLE_API, ROLE_DISPATCHER },    // hint: hooks changed
    { ROLE_DISPATCHER, ROLE_SENDER }, // orders, outcomes
};

// The order in which a drain ends them.
static const enum role_kind drain_order[] = { ROLE_INGEST, ROLE_DISPATCHER,
                                              ROLE_SENDER, ROLE_API };
#define N_STAGES (sizeof(drain_order) / sizeof(drain_order[0]))

struct supervisor;

struct child {
    struct supervisor *supervisor;
    enum role_kind kind;
    unsigned index;
    unsigned slot; // of the metrics page
    int listen_fd; // -1: it does not listen
    uv_process_t process;
    uv_poll_t control;
    uv_timer_t restart;
    int control_fd;
    int n_open_handles; // of process and control
    bool is_alive;
    bool is_ready;
    bool has_exited; // with status 0
    int64_t started_us;
    uint32_t restart_wait_ms;
};

struct supervisor {
    uv_loop_t loop;
    uv_signal_t signals[3];
    uv_timer_t drain_timer;
    const struct config_sources *sources;
    struct config config;
    struct child setup;
    struct child children[CHILDREN_MAX];
    size_t n_children;
    char *sources_text; // for the environment of the roles
    int metrics_fd;
    bool was_all_ready;
    bool is_draining;
    size_t stage; // of the drain
    int exit_status;
};

static void start_child(struct child *c);
static void next_stage(struct supervisor *s);

static bool are_linked(enum role_kind from, enum role_kind to)
{
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        if (links[i].from == from && links[i].to == to)
            return true;
    }
    return false;
}

static void send_link(const struct child *to, const struct child *peer, int fd)
{
    struct control_message m = { .type = CONTROL_LINK,
                                 .kind = peer->kind,
                                 .index = peer->index };

    if (control_send(to->control_fd, &m, fd) != OK) {
        log_warn("link not handed over", "role=%s index=%u",
                 role_name(to->kind), to->index);
    }
}

static void link_pair(const struct child *a, const struct child *b)
{
    int ends[2];
    int room = LINK_BUFFER_BYTES;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends) != 0) {
        log_warn("no socketpair", "reason=%s",
                 log_quote(str_of(strerror(errno))));
        return;
    }
    // Best effort: larger buffers save wake-ups, smaller ones work too.
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    send_link(a, b, ends[0]);
    send_link(b, a, ends[1]);
    close(ends[0]);
    close(ends[1]);
}

static void link_child(struct child *c)
{
    struct supervisor *s = c->supervisor;

    for (size_t i = 0; i < s->n_children; i++) {
        struct child *other = &s->children[i];

        if (other != c && other->is_alive &&
            (are_linked(c->kind, other->kind) ||
             are_linked(other->kind, c->kind)))
            link_pair(c, other);
    }
}

static void tell_all(struct supervisor *s, enum control_type type,
                     uint32_t index)
{
    struct control_message m = { .type = type, .index = index };

    for (size_t i = 0; i < s->n_children; i++) {
        const struct child *c = &s->children[i];

        if (c->is_alive && control_send(c->control_fd, &m, -1) != OK) {
            log_warn("role does not listen", "role=%s index=%u",
                     role_name(c->kind), c->index);
        }
    }
}

static void judge_readiness(struct supervisor *s)
{
    bool all = true;

    for (size_t i = 0; i < s->n_children; i++)
        all = all && s->children[i].is_ready;
    if (all == s->was_all_ready)
        return;
    s->was_all_ready = all;
    tell_all(s, CONTROL_ALL_READY, all ? 1 : 0);
    if (all) {
        log_info("ready", "api=%s ingest=%s data_dir=%s", s->config.api_listen,
                 s->config.ingest_listen,
                 log_quote(str_of(s->config.data_dir)));
    }
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    struct child *c = poll->data;
    struct control_message m;
    enum err err = status < 0 ? ERR_NOTFOUND : OK;
    int fd;

    (void)events;
    while (err == OK) {
        err = control_receive(c->control_fd, &m, &fd);
        if (err == OK && fd >= 0)
            close(fd); // roles send none
        if (err == OK && m.type == CONTROL_READY) {
            c->is_ready = true;
            judge_readiness(c->supervisor);
            if (c->supervisor->was_all_ready) // for one that came later
                tell_all(c->supervisor, CONTROL_ALL_READY, 1);
        }
    }
    if (err == ERR_NOTFOUND)
        uv_poll_stop(poll); // its exit is reported by the kernel
}

static void on_restart(uv_timer_t *timer)
{
    start_child(timer->data);
}

static void on_child_handle_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;

    if (--c->n_open_handles > 0)
        return;
    close(c->control_fd);
    if (c->supervisor->is_draining) {
        next_stage(c->supervisor);
        return;
    }
    metrics_count(COUNTER_RESTARTS, 1);
    uv_timer_start(&c->restart, on_restart, c->restart_wait_ms, 0);
}

static void on_role_exit(uv_process_t *process, int64_t status, int signum)
{
    struct child *c = process->data;
    struct supervisor *s = c->supervisor;
    int64_t age_us = clock_mono_us() - c->started_us;

    c->is_alive = false;
    c->is_ready = false;
    if (c->kind == ROLE_SETUP) {
        uv_close((uv_handle_t *)&c->process, NULL);
        s->exit_status = status != 0 || signum != 0 ? 1 : 0;
        uv_stop(&s->loop); // supervisor_run() goes on
        return;
    }
    if (age_us >= YOUNG_US) {
        c->restart_wait_ms = 0;
    } else {
        c->restart_wait_ms =
            c->restart_wait_ms == 0 ? RESTART_MIN_MS : c->restart_wait_ms * 2;
    }
    if (c->restart_wait_ms > RESTART_MAX_MS)
        c->restart_wait_ms = RESTART_MAX_MS;
    if (!s->is_draining || status != 0 || signum != 0) {
        log_warn("role ended",
                 "role=%s index=%u pid=%d status=%d signal=%d "
                 "restart_in_ms=%u",
                 role_name(c->kind), c->index, process->pid, (int)status,
                 signum, s->is_draining ? 0 : c->restart_wait_ms);
    }
    judge_readiness(s);
    c->n_open_handles = 2;
    uv_close((uv_handle_t *)&c->process, on_child_handle_closed);
    uv_close((uv_handle_t *)&c->control, on_child_handle_closed);
}

// The environment of a role: ours, and what it needs to know.
static char **role_environment(struct supervisor *s, unsigned slot)
{
    size_t n = 0;
    char **env;

    while (environ[n] != NULL)
        n++;
    env = xcalloc(n + 3, sizeof(*env));
    for (size_t i = 0; i < n; i++)
        env[i] = environ[i];
    env[n] = xasprintf("%s=%s", CONTROL_ENV_SOURCES, s->sources_text);
    env[n + 1] = xasprintf("%s=%u", CONTROL_ENV_SLOT, slot);
    return env;
}

static void free_environment(char **env)
{
    size_t n = 0;

    while (env[n] != NULL)
        n++;
    free(env[n - 1]); // the two that role_environment() made
    free(env[n - 2]);
    free(env);
}

static int spawn(struct child *c, int their_control_fd)
{
    struct supervisor *s = c->supervisor;
    uv_stdio_container_t fds[ROLE_LISTEN_FD + 1];
    const int inherited[ROLE_LISTEN_FD + 1] = {
        0, 1, 2, their_control_fd, s->metrics_fd, c->listen_fd
    };
    char index[16];
    char program[] = "posthorn";
    char role[] = "role";
    char *kind = xstrdup(role_name(c->kind));
    char *args[] = { program, role, kind, index, NULL };
    char **env = role_environment(s, c->slot);
    uv_process_options_t options = {
        .exit_cb = on_role_exit,
        .file = "/proc/self/exe",
        .args = args,
        .env = env,
        .stdio = fds,
        .stdio_count = ROLE_LISTEN_FD + 1,
    };
    int rc;

    snprintf(index, sizeof(index), "%u", c->index);
    for (size_t i = 0; i <= ROLE_LISTEN_FD; i++) {
        fds[i].flags = inherited[i] >= 0 ? UV_INHERIT_FD : UV_IGNORE;
        fds[i].data.fd = inherited[i];
    }
    rc = uv_spawn(&s->loop, &c->process, &options);
    free_environment(env);
    free(kind);
    return rc;
}

static void start_child(struct child *c)
{
    struct supervisor *s = c->supervisor;
    int ends[2];
    int rc;

    if (s->is_draining)
        return;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        log_fatal("no socketpair", "reason=%s",
                  log_quote(str_of(strerror(errno))));
    }
    c->process.data = c;
    rc = spawn(c, ends[1]);
    close(ends[1]);
    if (rc != 0) {
        log_fatal("role cannot be started", "role=%s reason=%s",
                  role_name(c->kind), log_quote(str_of(uv_strerror(rc))));
    }
    c->control_fd = ends[0];
    c->started_us = clock_mono_us();
    c->is_alive = true;
    if (c->kind == ROLE_SETUP)
        return;
    uv_poll_init(&s->loop, &c->control, c->control_fd);
    c->control.data = c;
    uv_poll_start(&c->control, UV_READABLE, on_control);
    link_child(c);
}

static struct child *add_child(struct supervisor *s, enum role_kind kind,
                               unsigned index, int listen_fd)
{
    struct child *c = &s->children[s->n_children];

    assert(s->n_children < CHILDREN_MAX);
    *c = (struct child){ .supervisor = s,
                         .kind = kind,
                         .index = index,
                         .slot = (unsigned)s->n_children + 1,
                         .listen_fd = listen_fd };
    uv_timer_init(&s->loop, &c->restart);
    c->restart.data = c;
    s->n_children++;
    return c;
}

// --- ending ---

static bool is_any_alive(const struct supervisor *s, enum role_kind kind)
{
    for (size_t i = 0; i < s->n_children; i++) {
        if (s->children[i].kind == kind && s->children[i].is_alive)
            return true;
    }
    return false;
}

static void kill_all(struct supervisor *s)
{
    for (size_t i = 0; i < s->n_children; i++) {
        if (s->children[i].is_alive)
            uv_process_kill(&s->children[i].process, SIGKILL);
    }
}

static void next_stage(struct supervisor *s)
{
    struct control_message m = { .type = CONTROL_DRAIN };

    while (s->stage < N_STAGES && !is_any_alive(s, drain_order[s->stage])) {
        s->stage++;
        for (size_t i = 0; i < s->n_children && s->stage < N_STAGES; i++) {
            struct child *c = &s->children[i];

            // Who cannot be told is dead already: its exit will be reported.
            if (c->kind == drain_order[s->stage] && c->is_alive &&
                control_send(c->control_fd, &m, -1) != OK) {
                log_warn("role does not listen", "role=%s index=%u",
                         role_name(c->kind), c->index);
            }
        }
    }
    if (s->stage == N_STAGES)
        uv_stop(&s->loop);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    struct supervisor *s = timer->data;

    log_warn("the drain takes too long, ending all roles", "");
    s->exit_status = 1;
    kill_all(s);
}

static void drain(struct supervisor *s)
{
    struct control_message m = { .type = CONTROL_DRAIN };

    if (s->is_draining) {
        log_warn("asked to end again, not waiting", "");
        s->exit_status = 1;
        kill_all(s);
        return;
    }
    log_info("draining", "");
    s->is_draining = true;
    s->stage = 0;
    uv_timer_start(&s->drain_timer, on_drain_timeout,
                   (uint64_t)s->config.drain_timeout_ms + DRAIN_GRACE_MS, 0);
    for (size_t i = 0; i < s->n_children; i++) {
        struct child *c = &s->children[i];

        uv_timer_stop(&c->restart);
        if (c->kind == drain_order[0] && c->is_alive &&
            control_send(c->control_fd, &m, -1) != OK)
            log_warn("role does not listen", "role=%s", role_name(c->kind));
    }
    next_stage(s);
}

// A role may not open the file by itself any more.
static void tell_reload(struct supervisor *s)
{
    struct control_message m = { .type = CONTROL_RELOAD };

    for (size_t i = 0; i < s->n_children; i++) {
        const struct child *c = &s->children[i];
        int fd = s->sources->file != NULL
                     ? open(s->sources->file, O_RDONLY | O_CLOEXEC)
                     : -1;

        if (c->is_alive && control_send(c->control_fd, &m, fd) != OK) {
            log_warn("role does not listen", "role=%s index=%u",
                     role_name(c->kind), c->index);
        }
        if (fd >= 0)
            close(fd);
    }
}

static void reload(struct supervisor *s)
{
    struct config fresh;
    struct buf faults;

    buf_init(&faults, 0);
    if (config_load(s->sources, &fresh, &faults) != OK) {
        log_warn("settings not reloaded", "faults=%s",
                 log_quote(buf_str(&faults)));
    } else {
        log_info("settings reloaded", "");
        tell_reload(s);
    }
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
    s->setup =
        (struct child){ .supervisor = s, .kind = ROLE_SETUP, .listen_fd = -1 };
    start_child(&s->setup);
    uv_run(&s->loop, UV_RUN_DEFAULT); // until it has exited
    close(s->setup.control_fd);
}

static void start_roles(struct supervisor *s, int api_fd, int ingest_fd)
{
    for (unsigned i = 0; i < s->config.senders; i++)
        add_child(s, ROLE_SENDER, i, -1);
    for (unsigned i = 0; i < s->config.dispatchers; i++)
        add_child(s, ROLE_DISPATCHER, i, -1);
    add_child(s, ROLE_INGEST, 0, ingest_fd);
    add_child(s, ROLE_API, 0, api_fd);
    for (size_t i = 0; i < s->n_children; i++)
        start_child(&s->children[i]);
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

int supervisor_run(const struct config_sources *sources)
{
    struct supervisor *s = xcalloc(1, sizeof(*s));
    struct startup startup;

    s->sources = sources;
    if (startup_prepare(sources, &s->config, &startup) != OK)
        return 1;
    s->sources_text = join_sources(sources);
    signal(SIGPIPE, SIG_IGN);
    log_role("supervisor");
    uv_set_process_title("posthorn: supervisor");
    if (uv_loop_init(&s->loop) != 0)
        log_fatal("no event loop", "");
    s->metrics_fd = metrics_create(CHILDREN_MAX + 1);
    if (s->metrics_fd < 0)
        log_fatal("no page for the metrics", "");
    metrics_attach(s->metrics_fd, 0, "supervisor");

    metrics_note_memory();
    run_setup(s);
    if (s->exit_status != 0)
        return s->exit_status;
    watch_signals(s);
    start_roles(s, startup.api_fd, startup.ingest_fd);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    log_info("stopped", "status=%d", s->exit_status);
    return s->exit_status;
}
