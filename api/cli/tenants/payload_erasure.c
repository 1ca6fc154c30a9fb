// SPDX-License-Identifier: MIT
// payload_erasure.c — `posthorn events erase-payload`: erases the payload of one event.
//
// The engine does the work, and goes on with it whatever becomes of the command, which
// asks how far it is until it is done.

#include "api/cli/tenants/payload_erasure.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/facts.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"
#include "common/base/text.h"

#define LOOK_EVERY_MS 300

struct erasing {
    const struct args *args;
    const char *event;
    struct scope_options scope;
    struct buf path; // of the event, then of its payload
    struct buf answer;
    struct json *json; // the answer; owned
};

static bool is_missing(long status)
{
    return status == 404;
}

// Makes a call, and reads its answer. ERR_NOTFOUND: the event is not there, which is
// printed unless `is_quiet` is given. Other errors are printed.
static enum err call(struct erasing *e, const char *method,
                     bool (*is_quiet)(long status))
{
    const struct client_call what = { .method = method,
                                      .path = buf_cstr(&e->path),
                                      .is_quiet = is_quiet };
    enum err err;

    json_free(e->json);
    e->json = NULL;
    buf_reset(&e->answer);
    err = client_request(e->args, &what, &e->answer);
    if (err == OK && !client_read(e->args->command, &e->answer, &e->json))
        err = ERR_INVALID;
    return err;
}

// Shows which event it is, and asks for the organization's name, which nobody types by
// accident. False: it is not the one, or there is no such event; stderr has the reason.
static bool confirm(struct erasing *e)
{
    const struct json_value *event;
    char line[NAME_MAX_BYTES + 2] = "";
    struct buf when;

    if (call(e, "GET", NULL) != OK)
        return false;
    event = json_root(e->json);
    buf_init(&when, 0);
    terminal_put_time(&when,
                      json_int_or_zero(json_get(event, "acceptedAt")) / 1000);
    terminal_put(stderr, json_str(json_get(event, "kind")));
    fprintf(
        stderr,
        ", accepted %s: its payload is erased for good, and deliveries that "
        "wait for it are cancelled.\nType the organization's name: ",
        buf_cstr(&when));
    buf_clear(&when);
    if (fgets(line, sizeof(line), stdin) == NULL)
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, e->scope.org) == 0)
        return true;
    command_failed(e->args->command,
                   "that is not the name; nothing was erased (--yes asks "
                   "nothing)");
    return false;
}

// Asks until it is done. ERR_NOTFOUND: retention has removed the event meanwhile, and it
// has no order any more. Other errors: stderr has the reason.
static enum err wait_for_end(struct erasing *e)
{
    const struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000000L };
    enum err err = OK;

    terminal_catch_interrupts();
    while (err == OK && !json_bool(json_get(json_root(e->json), "done"))) {
        if (!terminal_is_interrupted())
            nanosleep(&pause, NULL);
        if (terminal_is_interrupted()) {
            command_failed(e->args->command,
                           "interrupted; the engine goes on with the erasure");
            return ERR_AGAIN;
        }
        err = call(e, "GET", is_missing);
    }
    return err;
}

static int erase(struct erasing *e)
{
    enum err err = OK;

    scope_put_place_path(&e->scope, &e->path);
    buf_puts(&e->path, "/events");
    client_put_segment(&e->path, e->event);
    if (!args_has(e->args, "yes") && !confirm(e))
        return EXIT_FAILED;
    buf_puts(&e->path, "/payload");
    if (call(e, "DELETE", NULL) != OK)
        return EXIT_FAILED;
    if (!args_has(e->args, "no-wait"))
        err = wait_for_end(e);
    if (err == ERR_NOTFOUND) {
        fputs("Retention has removed the event meanwhile, and all of its "
              "payload is erased.\n",
              stderr);
        return 0;
    }
    if (err != OK)
        return EXIT_FAILED;
    return client_print(e->args, &e->answer, facts_print);
}

int cli_erase_payload(const struct args *args, const char *event)
{
    struct erasing e = { .args = args, .event = event };
    int status;

    if (!scope_read_place(args, &e.scope))
        return EXIT_USAGE;
    if (e.scope.project != NULL || e.scope.stack != NULL ||
        e.scope.environment != NULL) {
        return command_misused(args->command,
                               "erase-payload takes --org and --akinon alone: "
                               "an event is found by its id");
    }
    buf_init(&e.path, 0);
    buf_init(&e.answer, 0);
    status = erase(&e);
    json_free(e.json);
    buf_clear(&e.answer);
    buf_clear(&e.path);
    return status;
}
