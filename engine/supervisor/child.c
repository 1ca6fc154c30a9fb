// SPDX-License-Identifier: MIT
// child.c — one process of the supervisor: spawned, watched, started again.
//
// Happy path: a socketpair, uv_spawn(), and the child says that it is ready.
//
// If the child dies: it is started again, at once if it had lived a second, otherwise
// after a wait that doubles. If it cannot be spawned, spawning is tried again after
// such a wait: the other children go on meanwhile, and /readyz tells the reason.

#include "engine/supervisor/child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/config/settings.h"
#include "common/files/engine_file.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"
#include "common/process/sandbox.h"
#include "engine/supervisor/connects/connect_guard.h"

#define YOUNG_US       1000000 // a child that dies younger waits for its restart
#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 10000
#define DAMAGED_MIN_MS 1000 // a restart does not mend what is stored
#define N_FDS_MAX      (PAGES_FD + CHILDREN_MAX + 1)

static void note_state(const struct child *c, enum pulse_state state,
                       int reason)
{
    if (c->kind != ROLE_SETUP) // setup has no slot
        pulse_set_state(c->slot, state, reason);
}

static void wait_longer(struct child *c)
{
    c->restart_wait_ms =
        c->restart_wait_ms == 0 ? RESTART_MIN_MS : c->restart_wait_ms * 2;
    if (c->restart_wait_ms > RESTART_MAX_MS)
        c->restart_wait_ms = RESTART_MAX_MS;
}

static void on_restart(uv_timer_t *timer)
{
    child_start(timer->data);
}

// The child could not be spawned, and nothing is left of the try: sets the timer for
// the next one. If it is setup, the program ends.
static void defer(struct child *c, int error)
{
    if (c->kind == ROLE_SETUP) {
        log_fatal("a role cannot be started", "role=%s reason=%s",
                  role_name(c->kind), log_quote(str_of(uv_strerror(-error))));
    }
    wait_longer(c);
    note_state(c, PULSE_NOT_SPAWNED, error);
    log_warn("a role cannot be started",
             "role=%s index=%u reason=%s again_in_ms=%u", role_name(c->kind),
             c->index, log_quote(str_of(uv_strerror(-error))),
             c->restart_wait_ms);
    uv_timer_start(&c->restart, on_restart, c->restart_wait_ms, 0);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;

    if (--c->n_open_handles > 0)
        return;
    close(c->control_fd);
    c->control_fd = -1;
    if (c->owner->is_ending || !c->is_wanted ||
        (c->kind == ROLE_SETUP && c->spawn_error == 0)) {
        if (!c->is_wanted)
            note_state(c, PULSE_NONE, 0);
        c->owner->on_closed(c);
    } else if (c->spawn_error != 0) {
        defer(c, c->spawn_error);
    } else {
        metrics_count_for(c->slot, COUNTER_RESTARTS, 1);
        uv_timer_start(&c->restart, on_restart, c->restart_wait_ms, 0);
    }
}

static void close_handles(struct child *c)
{
    c->n_open_handles = 2;
    uv_close((uv_handle_t *)&c->process, on_handle_closed);
    uv_close((uv_handle_t *)&c->control, on_handle_closed);
}

static enum counter counter_of(uint64_t kind)
{
    switch ((enum blame_kind)kind) {
    case BLAME_EVENT:
        return COUNTER_ASIDE_EVENTS;
    case BLAME_DELIVERY:
        return COUNTER_ASIDE_DELIVERIES;
    case BLAME_HOOK:
    case BLAME_ROWS:
        return COUNTER_ASIDE_HOOKS;
    case BLAME_REQUEST:
        return COUNTER_ASIDE_REQUESTS;
    case BLAME_NOTHING:
    case BLAME_REPLAY:
    case BLAME_OWN:
    case BLAME_ORDER:
        break;
    }
    return COUNTER_ASIDE_OTHERS;
}

// Names a kind of record for the log. blame.h tells what the numbers `a` and `b` of a
// record are. The supervisor reads no hooks: the role logs their names when it starts
// again.
static const char *blamed_name(uint64_t kind)
{
    switch ((enum blame_kind)kind) {
    case BLAME_EVENT:
        return "an event";
    case BLAME_DELIVERY:
        return "a delivery of a hook";
    case BLAME_HOOK:
        return "a hook";
    case BLAME_ROWS:
        return "due rows of a hook";
    case BLAME_REPLAY:
        return "a replay";
    case BLAME_OWN:
        return "an event of the engine";
    case BLAME_ORDER:
        return "an order of a dispatcher";
    case BLAME_REQUEST:
        return "a request";
    case BLAME_NOTHING:
        break;
    }
    return "nothing";
}

// What the child was working on, if the death was its own fault.
static struct death find_death_cause(const struct child *c, int signum)
{
    struct death death = { .is_own = false };
    uint32_t n_deaths = 0;

    if (c->notes == NULL)
        return death;
    death.is_own = blame_attribute(c->notes, signum, &death.blamed, &n_deaths);
    if (n_deaths > 0) {
        log_warn("a role died while it processed a record",
                 "role=%s index=%u what=%s a=%llu b=%llu deaths=%u",
                 role_name(c->kind), c->index,
                 log_quote(str_of(blamed_name(death.blamed.kind))),
                 (unsigned long long)death.blamed.a,
                 (unsigned long long)death.blamed.b, n_deaths);
    }
    // Deaths with an order are counted by its dispatcher, which keeps that count. A
    // sender works on orders only, whatever its notes say.
    if (n_deaths == BLAME_ASIDE && death.blamed.kind != BLAME_ORDER &&
        !role_is_outward(c->kind))
        metrics_count_for(c->slot, counter_of(death.blamed.kind), 1);
    return death;
}

static void on_exit_of(uv_process_t *process, int64_t status, int signum)
{
    struct child *c = process->data;
    struct death death = find_death_cause(c, signum);

    c->is_alive = false;
    c->is_ready = false;
    c->n_reloads = 0;
    c->ended_us = clock_mono_us();
    if (status == EXIT_DAMAGED) {
        wait_longer(c);
        if (c->restart_wait_ms < DAMAGED_MIN_MS)
            c->restart_wait_ms = DAMAGED_MIN_MS;
    } else if (clock_mono_us() - c->started_us >= YOUNG_US) {
        c->restart_wait_ms = 0;
    } else {
        wait_longer(c);
    }
    if (c->kind != ROLE_SETUP) {
        note_state(c, PULSE_ENDED,
                   signum != 0 ? signum : PULSE_STATUS_BASE + (int)status);
        metrics_clear_process(c->slot);
        if ((!c->owner->is_ending && c->is_wanted) || status != 0 ||
            signum != 0) {
            log_warn("a role ended",
                     "role=%s index=%u pid=%d status=%d signal=%d "
                     "restart_in_ms=%u",
                     role_name(c->kind), c->index, process->pid, (int)status,
                     signum, c->owner->is_ending ? 0 : c->restart_wait_ms);
        }
    }
    c->owner->on_ended(c, status, signum, &death);
    close_handles(c);
}

// Once for each process: what it sends when it has been sandboxed is not trusted.
static void guard_connects(struct child *c, int notify_fd)
{
    const struct connect_plan *plan = c->owner->connects;
    const struct guarded who = { .pid = c->process.pid,
                                 .index = (int)c->index,
                                 .makes_sockets = plan->how == CONNECTS_SEEN,
                                 .own = &plan->own };

    if (c->kind != ROLE_SENDER || c->is_guarded || c->is_ready ||
        !c->is_alive) {
        close(notify_fd);
        return;
    }
    c->is_guarded = connect_guard_start(notify_fd, &who);
    if (!c->is_guarded) {
        log_warn("the connections of a sender cannot be guarded; it is started "
                 "again",
                 "index=%u errno=%d", c->index, errno);
        child_kill(c, SIGKILL);
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
        if (err == OK && fd >= 0 && m.type == CONTROL_CONNECTS) {
            guard_connects(c, fd);
        } else if (err == OK && fd >= 0) {
            close(fd); // roles send no others
        }
        if (err == OK && m.type == CONTROL_READY) {
            c->is_ready = true;
            c->has_hung = false;
            note_state(c, PULSE_READY, 0);
        }
        if (err == OK)
            c->owner->on_message(c, &m);
    }
    if (err == ERR_NOTFOUND)
        uv_poll_stop(poll); // the kernel will report the child's exit
}

// Variables that roles get, besides those of settings: for time and language, and for
// sanitizers and coverage. A name that ends with a star stands for all variables that
// begin with it.
static const char *const role_variables[] = {
    "TZ",
    "TZDIR",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LOCPATH",
    "ASAN_OPTIONS",
    "LSAN_OPTIONS",
    "MSAN_OPTIONS",
    "TSAN_OPTIONS",
    "UBSAN_OPTIONS",
    "ASAN_SYMBOLIZER_PATH",
    "GCOV_PREFIX",
    "GCOV_PREFIX_STRIP",
    "LLVM_PROFILE_FILE",
    "JOURNAL_STREAM",          // journal.h
    "POSTHORN_DATA_DIR_INODE", // data_dir.h
};

static bool is_for_roles(struct str name)
{
    for (size_t i = 0; i < sizeof(role_variables) / sizeof(role_variables[0]);
         i++) {
        struct str wanted = str_of(role_variables[i]);
        bool is_prefix = wanted.at[wanted.n_bytes - 1] == '*';

        wanted.n_bytes -= is_prefix;
        if (is_prefix ? str_starts(name, wanted) : str_eq(name, wanted))
            return true;
    }
    return config_is_variable(name);
}

bool child_speaks_tls(const struct child *c)
{
    return c->tls_fd != NULL && *c->tls_fd >= 0;
}

// The environment of a role. All other variables of a shell are left out: they can make
// a program run foreign code (LD_PRELOAD) or send elsewhere (http_proxy), or they are
// secrets. Roles get them for debugging only.
static char **role_environment(const struct child *c)
{
    const char *debug = getenv("POSTHORN_DEBUG_ENV");
    bool has_all = debug != NULL && strcmp(debug, "1") == 0;
    const struct accounts *a = c->owner->accounts;
    char account[ACCOUNT_TEXT_BYTES] = "";
    size_t n = 0;
    char **env;

    while (environ[n] != NULL)
        n++;
    env = xcalloc(n + 7, sizeof(*env));
    n = 0;
    for (char **e = environ; *e != NULL; e++) {
        if (has_all || is_for_roles((struct str){ *e, strcspn(*e, "=") }))
            env[n++] = *e;
    }
    env[n] = xasprintf("%s=%s", CONTROL_ENV_SOURCES, c->owner->sources_text);
    env[n + 1] = xasprintf("%s=%u", CONTROL_ENV_SLOT, c->slot);
    if (a->has_senders && role_is_outward(c->kind)) {
        account_put(&a->senders, account);
    } else if (a->has_roles && !role_is_outward(c->kind)) {
        account_put(&a->roles, account);
    }
    env[n + 2] = xasprintf("%s=%s", CONTROL_ENV_ACCOUNT, account);
    env[n + 3] = xasprintf("%s=%s", ENGINE_ENV_INSTANCE, c->owner->instance);
    if (c->kind == ROLE_API || c->kind == ROLE_INGEST)
        env[n + 4] = xasprintf("%s=%s", ENGINE_ENV_SECRET, c->owner->secret);
    if (child_speaks_tls(c)) // ingest and api
        env[n + 5] = xasprintf("%s=1", CONTROL_ENV_TLS);
    if (c->kind == ROLE_SENDER) {
        env[n + 4] = xasprintf("%s=%s", CONTROL_ENV_CONNECTS,
                               sandbox_connects_text(c->owner->connects->how));
    }
    return env;
}

void child_init(struct child *c, struct child_owner *owner, enum role_kind kind,
                unsigned index)
{
    static const enum metrics_owners owners[ROLES] = {
        [ROLE_INGEST] = METRICS_INGEST,
        [ROLE_DISPATCHER] = METRICS_DISPATCHER,
        [ROLE_SENDER] = METRICS_SENDER,
        [ROLE_API] = METRICS_API,
        [ROLE_EXPORTER] = METRICS_EXPORTER,
        [ROLE_RELAY] = METRICS_RELAY,
        [ROLE_REPLICATOR] = METRICS_REPLICATOR,
    };
    char label[ROLE_LABEL_BYTES];

    c->owner = owner;
    c->kind = kind;
    c->index = index;
    c->control_fd = -1;
    c->is_wanted = true;
    c->ended_us = clock_mono_us();
    c->env = role_environment(c);
    uv_timer_init(owner->loop, &c->restart);
    c->restart.data = c;
    c->process.data = c;
    c->control.data = c;
    c->blame_fd = -1;
    if (kind != ROLE_SETUP) {
        c->blame_fd = blame_create(&c->notes);
        if (c->blame_fd < 0)
            log_fatal("shared memory for a role cannot be mapped", "");
        role_label(kind, index, label);
        metrics_name(c->slot, label, owners[kind]);
        note_state(c, PULSE_STARTING, 0);
    }
}

static void inherit(uv_stdio_container_t *at, int fd)
{
    at->flags = fd >= 0 ? UV_INHERIT_FD : UV_IGNORE;
    at->data.fd = fd;
}

// Which descriptors the child gets, by their numbers (control_socket.h); returns how
// many. An outward role gets no pages of other roles.
static int choose_fds(const struct child *c, int their_control_fd,
                      uv_stdio_container_t fds[N_FDS_MAX])
{
    bool is_outward = role_is_outward(c->kind);
    bool has_pages = c->kind != ROLE_SETUP && !is_outward;
    size_t n_pages = has_pages ? metrics_slots() : 0;

    for (int i = 0; i < CONTROL_FD; i++)
        inherit(&fds[i], i);
    inherit(&fds[CONTROL_FD], their_control_fd);
    inherit(&fds[METRICS_FD], has_pages ? metrics_board_fd() : -1);
    if (is_outward)
        inherit(&fds[METRICS_FD], metrics_page_fd(c->slot));
    inherit(&fds[ROLE_LISTEN_FD], c->listen_fd);
    inherit(&fds[BLAME_FD], c->blame_fd);
    inherit(&fds[TLS_FD], child_speaks_tls(c) ? *c->tls_fd : -1);
    for (size_t i = 0; i < n_pages; i++)
        inherit(&fds[PAGES_FD + i], metrics_page_fd(i));
    return PAGES_FD + (int)n_pages;
}

static int spawn(struct child *c, int their_control_fd)
{
    uv_stdio_container_t fds[N_FDS_MAX];
    int n_fds = choose_fds(c, their_control_fd, fds);
    char index[16];
    char kind[16];
    char program[] = "posthorn";
    char role[] = "role";
    char *args[] = { program, role, kind, index, NULL };
    uv_process_options_t options = {
        .exit_cb = on_exit_of,
        .file = "/proc/self/exe",
        .args = args,
        .env = c->env,
        .stdio = fds,
        .stdio_count = n_fds,
    };

    snprintf(kind, sizeof(kind), "%s", role_name(c->kind));
    snprintf(index, sizeof(index), "%u", c->index);
    return uv_spawn(c->owner->loop, &c->process, &options);
}

void child_start(struct child *c)
{
    int ends[2];
    int rc;

    if (c->owner->is_ending || !c->is_wanted)
        return;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        defer(c, errno);
        return;
    }
    rc = uv_poll_init(c->owner->loop, &c->control, ends[0]);
    if (rc != 0) {
        close(ends[0]);
        close(ends[1]);
        defer(c, -rc);
        return;
    }
    c->control_fd = ends[0];
    if (c->kind != ROLE_SETUP)
        pulse_reset(c->slot);
    c->spawn_error = -spawn(c, ends[1]);
    close(ends[1]);
    if (c->spawn_error != 0) {
        close_handles(c); // libuv has listed both handles already
        return;
    }
    c->started_us = clock_mono_us();
    c->start = (struct start_watch){ .pid = 0 };
    c->is_alive = true;
    c->is_guarded = false;
    if (c->kind != ROLE_SETUP)
        metrics_set_pid(c->slot, c->process.pid);
    note_state(c, PULSE_STARTING, 0);
    uv_poll_start(&c->control, UV_READABLE, on_control);
    c->owner->on_started(c);
}

void child_stay_down(struct child *c)
{
    uv_timer_stop(&c->restart);
}

void child_want(struct child *c, bool is_wanted)
{
    bool is_down = c->n_open_handles == 0 && !c->is_alive;

    if (c->is_wanted == is_wanted)
        return;
    c->is_wanted = is_wanted;
    c->restart_wait_ms = 0;
    child_stay_down(c);
    if (is_wanted && is_down) {
        child_start(c);
    } else if (is_down) {
        note_state(c, PULSE_NONE, 0);
    }
}

void child_tell(struct child *c, enum control_type type)
{
    struct control_message m = { .type = type };

    // While it waits for its cluster, the replicator reads no messages, and has begun
    // nothing that it must finish.
    if (type == CONTROL_DRAIN && c->kind == ROLE_REPLICATOR && !c->is_ready) {
        child_kill(c, SIGTERM);
        return;
    }
    if (c->is_alive && control_send(c->control_fd, &m, -1) != OK) {
        log_warn("a message to a role cannot be sent", "role=%s index=%u",
                 role_name(c->kind), c->index);
    }
}

void child_kill(struct child *c, int signum)
{
    if (c->is_alive)
        uv_process_kill(&c->process, signum);
}
