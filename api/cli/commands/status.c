// SPDX-License-Identifier: MIT
// status.c — `posthorn status` and `posthorn stats`: the engine's state and statistics.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/commands/stats_series.h"
#include "api/cli/commands/status_backlog.h"
#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"
#include "common/base/clock.h"
#include "common/encoding/json_writer.h"

// --- the engine ---

// The processes, as the metrics name them.
#define ROLES_MAX 64

struct role_figures {
    char name[32];
    bool is_ready;
    double pid, memory_bytes, restarts;
};

struct engine_figures {
    struct role_figures roles[ROLES_MAX];
    size_t n_roles;
    double accepted, delivered, retried, died, due, dead, queue_bytes,
        in_flight, paused, failing;
};

static struct role_figures *role_of(struct engine_figures *e, const char *name,
                                    size_t n_bytes)
{
    for (size_t i = 0; i < e->n_roles; i++) {
        if (strlen(e->roles[i].name) == n_bytes &&
            memcmp(e->roles[i].name, name, n_bytes) == 0)
            return &e->roles[i];
    }
    return NULL;
}

static bool is_name(const char *line, const char *name)
{
    size_t n = strlen(name);

    return strncmp(line, name, n) == 0 && (line[n] == '{' || line[n] == ' ' ||
                                           line[n] == ',' || line[n] == '}');
}

// The roles are those of one metric, in its order: each has it.
static void take_role(struct engine_figures *e, const char *line)
{
    static const char start[] = "posthorn_role_ready{role=\"";
    const char *name = line + sizeof(start) - 1;
    size_t n_bytes;

    if (strncmp(line, start, sizeof(start) - 1) != 0)
        return;
    n_bytes = strcspn(name, "\"");
    if (e->n_roles < ROLES_MAX && n_bytes < sizeof(e->roles[0].name))
        memcpy(e->roles[e->n_roles++].name, name, n_bytes);
}

// Reads a line of the metrics as "posthorn_role_ready{role="api"} 1".
static void take_line(struct engine_figures *e, const char *line)
{
    const char *role = strstr(line, "role=\"");
    const char *space = strrchr(line, ' ');
    double value = space != NULL ? strtod(space, NULL) : 0;
    struct role_figures *r =
        role != NULL ? role_of(e, role + 6, strcspn(role + 6, "\"")) : NULL;
    const struct {
        const char *name, *label;
        double *sum;
    } sums[] = {
        { "posthorn_events_accepted_total", "", &e->accepted },
        { "posthorn_attempts_total", "delivered", &e->delivered },
        { "posthorn_attempts_total", "retrying", &e->retried },
        { "posthorn_attempts_total", "dead", &e->died },
        { "posthorn_deliveries_due", "", &e->due },
        { "posthorn_deliveries_dead", "", &e->dead },
        { "posthorn_queue_bytes", "", &e->queue_bytes },
        { "posthorn_attempts_in_flight", "", &e->in_flight },
        { "posthorn_hooks", "\"paused\"", &e->paused },
        { "posthorn_hooks", "\"failing\"", &e->failing },
        { "posthorn_hooks", "\"breaker_open\"", &e->failing },
    };

    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        if (is_name(line, sums[i].name) &&
            (sums[i].label[0] == '\0' || strstr(line, sums[i].label) != NULL))
            *sums[i].sum += value;
    }
    if (r == NULL)
        return;
    if (is_name(line, "posthorn_role_ready"))
        r->is_ready = value > 0;
    if (is_name(line, "posthorn_role_pid"))
        r->pid = value;
    if (is_name(line, "posthorn_process_resident_memory_bytes"))
        r->memory_bytes = value;
    if (is_name(line, "posthorn_role_restarts_total"))
        r->restarts = value;
}

static void take_lines(struct engine_figures *e, char *text,
                       void (*take)(struct engine_figures *e, const char *line))
{
    char *end;

    for (char *line = text; (end = strchr(line, '\n')) != NULL;
         line = end + 1) {
        *end = '\0';
        if (line[0] != '#')
            take(e, line);
        *end = '\n';
    }
}

static void print_engine_json(const struct engine_figures *e, bool is_ready,
                              const struct buf *backlog)
{
    const struct {
        const char *name;
        double value;
    } figures[] = {
        { "accepted", e->accepted },  { "delivered", e->delivered },
        { "retried", e->retried },    { "died", e->died },
        { "pending", e->due },        { "dead", e->dead },
        { "inFlight", e->in_flight }, { "queueBytes", e->queue_bytes },
        { "pausedHooks", e->paused }, { "failingHooks", e->failing },
    };
    struct buf line;
    struct json_writer w = json_writer(&line);

    buf_init(&line, 0);
    json_open_object(&w, NULL);
    json_put_bool(&w, "ready", is_ready);
    json_open_array(&w, "roles");
    for (size_t i = 0; i < e->n_roles; i++) {
        const struct role_figures *r = &e->roles[i];

        json_open_object(&w, NULL);
        json_put_text(&w, "name", r->name);
        json_put_bool(&w, "ready", r->is_ready);
        json_put_double(&w, "pid", r->pid, 0);
        json_put_double(&w, "residentBytes", r->memory_bytes, 0);
        json_close(&w);
    }
    json_close(&w);
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
        json_put_double(&w, figures[i].name, figures[i].value, 0);
    if (backlog->n_bytes > 0)
        json_put_raw(&w, "backlog", buf_str(backlog));
    json_close(&w);
    terminal_print_line(&line);
}

// Prints the reason that /readyz gives for each role that does not work.
static void print_reasons(const struct buf *response)
{
    struct json_iter it;
    const struct json_value *reason;
    struct json *json;
    struct str role;

    if (json_parse(buf_str(response), &json_no_limits, &json, NULL) != OK)
        return;
    it = json_iter(json_get(json_root(json), "reasons"));
    while ((reason = json_next(&it, &role)) != NULL) {
        terminal_put(stdout, role);
        putchar(' ');
        terminal_put(stdout, json_str(reason));
        putchar('\n');
    }
    putchar('\n');
    json_free(json);
}

static void print_engine(const struct engine_figures *e, bool is_ready,
                         const struct buf *readiness)
{
    static const char *const titles[] = { "PROCESS", "STATE", "PID", "MEMORY" };
    struct table t;
    struct buf text;

    buf_init(&text, 0);
    printf("%s%s%s\n\n", terminal_colour(stdout, is_ready ? GREEN : RED),
           is_ready ? "ready" : "NOT ready", terminal_colour(stdout, PLAIN));
    if (!is_ready)
        print_reasons(readiness);
    table_init(&t, titles, 4, "0");
    for (size_t i = 0; i < e->n_roles; i++) {
        const struct role_figures *r = &e->roles[i];

        table_put(&t, str_of(r->name), PLAIN);
        table_put(&t, r->is_ready ? STR("ready") : STR("not ready"),
                  r->is_ready ? GREEN : RED);
        table_printf(&t, "%.0f", r->pid);
        buf_reset(&text);
        terminal_put_bytes(&text, (uint64_t)r->memory_bytes);
        table_put(&t, buf_str(&text), PLAIN);
    }
    table_end(&t, stdout);
    buf_reset(&text);
    terminal_put_bytes(&text, (uint64_t)e->queue_bytes);
    printf("\nsince the start: %.0f events accepted; attempts: %.0f delivered, "
           "%.0f to be tried again, %.0f dead\nnow: %.0f deliveries waiting, "
           "%.0f in flight, %.0f dead letters, %s stored\n",
           e->accepted, e->delivered, e->retried, e->died, e->due, e->in_flight,
           e->dead, buf_cstr(&text));
    if (e->paused > 0)
        printf("paused webhooks: %.0f\n", e->paused);
    if (e->failing > 0) {
        printf("%sfailing webhooks: %.0f%s; `posthorn hook list` and `posthorn "
               "hook status` say which and why\n",
               terminal_colour(stdout, RED), e->failing,
               terminal_colour(stdout, PLAIN));
    }
    buf_clear(&text);
}

static bool is_not_ready(long status)
{
    return status == 503;
}

int command_status(const struct args *args)
{
    struct client_call ready = { .method = "GET",
                                 .path = "/readyz",
                                 .is_quiet = is_not_ready };
    struct client_call metrics = { .method = "GET", .path = "/metrics" };
    struct engine_figures *e = calloc(1, sizeof(*e));
    struct buf response, readiness, backlog;
    enum err is_ready;
    int status = EXIT_FAILED;

    if (e == NULL)
        abort(); // out of memory, as in xmalloc()
    if (args_has(args, "org")) {
        free(e);
        return exists_org(args) ? backlog_of_scope(args, clock_now_ms())
                                : EXIT_FAILED;
    }
    buf_init(&response, 0);
    buf_init(&readiness, 0);
    buf_init(&backlog, 0);
    is_ready = client_request(args, &ready, &readiness);
    if ((is_ready == OK || is_ready == ERR_CONFLICT) &&
        client_request(args, &metrics, &response) == OK) {
        size_t n_bytes;
        char *text;

        buf_putc(&response, '\0');
        text = buf_take(&response, &n_bytes);
        take_lines(e, text, take_role);
        take_lines(e, text, take_line);
        free(text);
        backlog_fetch(args, &backlog);
        if (args_has(args, "json")) {
            print_engine_json(e, is_ready == OK, &backlog);
        } else {
            print_engine(e, is_ready == OK, &readiness);
            backlog_print(args, &backlog, clock_now_ms());
        }
        status = is_ready == OK ? 0 : EXIT_FAILED;
    }
    buf_clear(&readiness);
    buf_clear(&backlog);
    buf_clear(&response);
    free(e);
    return status;
}

// --- statistics ---

static void put_duration(struct table *t, const struct json_value *v)
{
    struct buf text;

    buf_init(&text, 0);
    terminal_put_duration(&text, json_int_or_zero(v));
    table_put(t, buf_str(&text), PLAIN);
    buf_clear(&text);
}

// Reads a fraction of one. False: there is none, since no attempt has ended.
static bool read_share(const struct json_value *v, double *out)
{
    struct str digits = json_number(v);
    char text[32];

    if (digits.n_bytes == 0 || digits.n_bytes >= sizeof(text))
        return false;
    memcpy(text, digits.at, digits.n_bytes);
    text[digits.n_bytes] = '\0';
    *out = strtod(text, NULL);
    return true;
}

static void print_window(const char *name, const struct json_value *w)
{
    static const char *const titles[] = { "PHASE", "COUNT", "P50",
                                          "P90",   "P99",   "MAX" };
    struct json_iter it = json_iter(json_get(w, "timing"));
    const struct json_value *outcomes = json_get(w, "outcomes");
    const struct json_value *phase;
    double rate = 0;
    struct str key;
    struct table t;

    printf("%s%s%s: %" PRId64 " attempts, %" PRId64 " delivered, %" PRId64
           " to be tried again, %" PRId64 " dead",
           terminal_colour(stdout, BOLD), name, terminal_colour(stdout, PLAIN),
           json_int_or_zero(json_get(w, "attempts")),
           json_int_or_zero(json_get(outcomes, "delivered")),
           json_int_or_zero(json_get(outcomes, "retrying")),
           json_int_or_zero(json_get(outcomes, "dead")));
    if (read_share(json_get(w, "successRate"), &rate))
        printf("; success rate %.1f %%", rate * 100);
    putchar('\n');
    table_init(&t, titles, 6, "0");
    while ((phase = json_next(&it, &key)) != NULL) {
        table_put(&t, key, PLAIN);
        table_printf(&t, "%" PRId64, json_int_or_zero(json_get(phase, "n")));
        put_duration(&t, json_get(phase, "p50"));
        put_duration(&t, json_get(phase, "p90"));
        put_duration(&t, json_get(phase, "p99"));
        put_duration(&t, json_get(phase, "max"));
    }
    table_end(&t, stdout);
}

static int print_stats(const struct args *args, const struct buf *response)
{
    const char *wanted = args_text(args, "window");
    struct json_iter it;
    const struct json_value *w;
    struct json *json;
    struct str key;
    bool is_first = true;

    if (args_has(args, "json")) {
        printf("%.*s\n", STR_ARG(buf_str(response)));
        return 0;
    }
    if (!client_read(args->command, response, &json))
        return EXIT_FAILED;
    it = json_iter(json_root(json));
    while ((w = json_next(&it, &key)) != NULL) {
        char name[16];

        snprintf(name, sizeof(name), "%.*s", STR_ARG(key));
        if (wanted != NULL && strcmp(wanted, name) != 0)
            continue;
        if (!is_first)
            putchar('\n');
        is_first = false;
        print_window(name, w);
    }
    json_free(json);
    return 0;
}

int command_stats(const struct args *args)
{
    struct client_call call = { .method = "GET" };
    const char *window = args_text(args, "window");
    struct scope_options scope;
    struct buf path, response;
    int status = EXIT_FAILED;

    if (window != NULL && strcmp(window, "1h") != 0 &&
        strcmp(window, "24h") != 0 && strcmp(window, "7d") != 0)
        return command_misused(args->command, "--window must be 1h, 24h or 7d");
    if (!scope_read_owner(args, false, &scope))
        return EXIT_USAGE;
    if (!exists_scope(args, &scope))
        return EXIT_FAILED;
    buf_init(&path, 0);
    buf_init(&response, 0);
    scope_put_owner_path(&scope, &path);
    buf_puts(&path, "/stats");
    if (args_has(args, "series")) {
        status = stats_series(args, &path);
    } else {
        call.path = buf_cstr(&path);
        if (client_request(args, &call, &response) == OK)
            status = print_stats(args, &response);
    }
    buf_clear(&response);
    buf_clear(&path);
    return status;
}
