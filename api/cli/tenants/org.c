// SPDX-License-Identifier: MIT
// org.c — `posthorn org`: lists organizations, exports one, or erases one.
//
// The engine does the work, and goes on with it whatever becomes of the command, which
// asks how far it is until it is done.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/facts.h"
#include "api/cli/core/terminal.h"
#include "api/cli/tenants/org_export.h"
#include "api/cli/tenants/org_list.h"
#include "api/cli/tenants/org_retention.h"
#include "common/base/text.h"

// An organization is counted by reading the whole event log.
#define COUNT_TIMEOUT_S 3600L
#define LOOK_EVERY_MS   300

struct erasing {
    const struct args *args;
    const char *org;
    struct buf path;
    struct buf answer;
    struct json *json; // the answer; owned
};

// Makes a call, and reads its answer.
static bool call(struct erasing *e, const char *method, long timeout_s)
{
    const struct client_call what = { .method = method,
                                      .path = buf_cstr(&e->path),
                                      .timeout_s = timeout_s };

    json_free(e->json);
    e->json = NULL;
    buf_reset(&e->answer);
    return client_request(e->args, &what, &e->answer) == OK &&
           client_read(e->args->command, &e->answer, &e->json);
}

static void put_path(struct erasing *e, const char *query)
{
    buf_reset(&e->path);
    buf_puts(&e->path, "/api/orgs");
    client_put_segment(&e->path, e->org);
    buf_puts(&e->path, query);
}

static bool count(struct erasing *e)
{
    put_path(e, "?dryRun=true");
    return call(e, "DELETE", COUNT_TIMEOUT_S);
}

static int64_t number(const struct erasing *e, const char *name)
{
    int64_t n = 0;

    return json_int(json_get(json_root(e->json), name), &n) == OK ? n : 0;
}

// Asks for the name, which nobody types by accident. False: it is not the one.
static bool confirm(const struct erasing *e)
{
    char line[NAME_MAX_BYTES + 2] = "";

    fprintf(stderr,
            "%s has %" PRId64 " webhooks, %" PRId64 " tokens, %" PRId64
            " waiting deliveries, %" PRId64 " dead letters, %" PRId64
            " attempts, %" PRId64 " events.\n"
            "All of it is erased for good. Type the organization's name: ",
            e->org, number(e, "webhooks"), number(e, "tokens"),
            number(e, "waiting"), number(e, "dead"), number(e, "attempts"),
            number(e, "events"));
    if (fgets(line, sizeof(line), stdin) == NULL)
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, e->org) == 0)
        return true;
    command_failed(e->args->command,
                   "that is not the name; nothing was erased (--yes asks "
                   "nothing)");
    return false;
}

static void put_erasure_path(struct erasing *e)
{
    struct buf id;

    buf_init(&id, 0);
    buf_put_str(&id, json_str(json_get(json_root(e->json), "id")));
    buf_reset(&e->path);
    buf_puts(&e->path, "/api/erasures");
    client_put_segment(&e->path, buf_cstr(&id));
    buf_clear(&id);
}

static uint64_t n_removed(const struct erasing *e)
{
    const struct json_value *removed = json_get(json_root(e->json), "removed");
    int64_t attempts = 0;
    int64_t events = 0;

    if (json_int(json_get(removed, "attempts"), &attempts) != OK)
        attempts = 0;
    if (json_int(json_get(removed, "events"), &events) != OK)
        events = 0;
    return (uint64_t)(attempts + events);
}

// Asks until it is done. False: stderr has the reason.
static bool wait_for_end(struct erasing *e)
{
    const struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000000L };
    struct progress progress;
    bool is_good = true;

    put_erasure_path(e);
    terminal_catch_interrupts();
    progress_begin(&progress, "erasing", "attempts and events", 0);
    while (is_good &&
           !str_is(json_str(json_get(json_root(e->json), "step")), "done")) {
        if (!progress_go_on(&progress, n_removed(e), 0)) {
            command_failed(e->args->command,
                           "interrupted; the engine goes on with the erasure");
            return false;
        }
        nanosleep(&pause, NULL);
        is_good = call(e, "GET", 0);
    }
    if (is_good)
        progress_end(&progress, n_removed(e));
    return is_good;
}

static int erase(struct erasing *e)
{
    bool is_dry = args_has(e->args, "dry-run");

    if (is_dry || !args_has(e->args, "yes")) {
        if (!count(e))
            return EXIT_FAILED;
        if (is_dry)
            return client_print(e->args, &e->answer, facts_print);
        if (!confirm(e))
            return EXIT_FAILED;
    }
    put_path(e, "");
    if (!call(e, "DELETE", 0))
        return EXIT_FAILED;
    if (!args_has(e->args, "no-wait") && !wait_for_end(e))
        return EXIT_FAILED;
    return client_print(e->args, &e->answer, facts_print);
}

int command_org(const struct args *args)
{
    struct erasing e = { .args = args };
    int status;

    if (strcmp(args->operands[0], "list") == 0) {
        return args->n_operands == 1
                   ? cli_org_list(args)
                   : command_misused(args->command,
                                     "there are too many arguments");
    }
    if (args->n_operands < 2)
        return command_misused(args->command, "the organization is missing");
    if (strcmp(args->operands[0], "export") == 0)
        return cli_org_export(args, args->operands[1]);
    if (strcmp(args->operands[0], "retention") == 0)
        return cli_org_retention(args, args->operands[1]);
    e.org = args->operands[1];
    buf_init(&e.path, 0);
    buf_init(&e.answer, 0);
    status = erase(&e);
    json_free(e.json);
    buf_clear(&e.answer);
    buf_clear(&e.path);
    return status;
}
