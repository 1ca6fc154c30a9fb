// SPDX-License-Identifier: MIT
// explain.c — `posthorn explain`: which hooks want an event, and why not.

#include <stdio.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/attempt_table.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"
#include "common/model/operator.h"

#define REQUESTS_SHOWN 5

static void print_request(const struct json_value *hook)
{
    const struct json_value *request = json_get(hook, "request");
    struct json_iter it = json_iter(json_get(request, "headers"));
    const struct json_value *v;
    struct str name;

    if (!json_is(request, JSON_OBJECT)) {
        terminal_put(stdout, json_str(json_get(hook, "hookName")));
        fputs(": ", stdout);
        terminal_put(stdout, json_str(json_get(hook, "requestLeftOut")));
        putchar('\n');
        return;
    }
    terminal_put(stdout, json_str(json_get(request, "method")));
    putchar(' ');
    terminal_put(stdout, json_str(json_get(request, "url")));
    putchar('\n');
    while ((v = json_next(&it, &name)) != NULL) {
        terminal_put(stdout, name);
        fputs(": ", stdout);
        terminal_put(stdout, json_str(v));
        putchar('\n');
    }
    putchar('\n');
    terminal_put_lines(stdout, json_str(json_get(request, "body")));
    putchar('\n');
}

static void print_hooks(const struct json_value *hooks)
{
    static const char *const titles[] = { "HOOK", "OF", "MATCHES", "WHY NOT" };
    struct json_iter it = json_iter(hooks);
    const struct json_value *hook;
    struct table t;
    struct buf text;

    buf_init(&text, 0);
    table_init(&t, titles, 4, "310");
    while ((hook = json_next(&it, NULL)) != NULL) {
        bool matches = json_bool(json_get(hook, "matches"));
        struct str project = json_str(json_get(hook, "projectName"));
        struct str stack = json_str(json_get(hook, "stackName"));
        struct str env = json_str(json_get(hook, "envName"));

        buf_reset(&text);
        buf_put_str(&text, project);
        if (stack.n_bytes + env.n_bytes > 0)
            buf_putc(&text, '/');
        buf_put_str(&text, stack);
        buf_put_str(&text, env);
        table_put(&t, json_str(json_get(hook, "hookName")), PLAIN);
        table_put(&t, buf_str(&text), PLAIN);
        table_put(&t, matches ? STR("yes") : STR("no"), matches ? GREEN : DIM);
        table_put(&t, json_str(json_get(hook, "reason")), PLAIN);
    }
    table_end(&t, stdout);
    buf_clear(&text);
}

// Prints the requests for these hooks, or only for hooks of one name.
static void print_requests(const struct json_value *hooks, const char *only)
{
    struct json_iter it = json_iter(hooks);
    const struct json_value *hook;
    size_t n_requests = 0;

    while ((hook = json_next(&it, NULL)) != NULL) {
        if (json_get(hook, "request") == NULL ||
            (only != NULL &&
             !str_is(json_str(json_get(hook, "hookName")), only)))
            continue;
        if (n_requests++ < REQUESTS_SHOWN) {
            putchar('\n');
            print_request(hook);
        }
    }
    if (n_requests > REQUESTS_SHOWN) {
        printf("\n… and %zu more requests; --hook NAME shows one\n",
               n_requests - REQUESTS_SHOWN);
    }
}

static bool is_left_out(const struct json_value *hooks, const char *name)
{
    struct json_iter it = json_iter(hooks);
    const struct json_value *hook;

    while ((hook = json_next(&it, NULL)) != NULL) {
        if (str_is(json_str(json_get(hook, "hookName")), name) &&
            json_get(hook, "requestLeftOut") != NULL)
            return true;
    }
    return false;
}

// Asks about one hook alone, whose request did not fit into the answer with the others.
static int print_alone(const struct args *args, struct client_call call,
                       const char *name)
{
    struct buf path, response;
    struct json *json;
    int status = EXIT_FAILED;

    buf_init(&path, 0);
    buf_init(&response, 0);
    buf_puts(&path, call.path);
    buf_puts(&path, "&hook=");
    query_put_escaped(&path, name);
    call.path = buf_cstr(&path);
    if (client_request(args, &call, &response) == OK &&
        client_read(args->command, &response, &json)) {
        print_requests(json_get(json_root(json), "hooks"), NULL);
        json_free(json);
        status = 0;
    }
    buf_clear(&response);
    buf_clear(&path);
    return status;
}

static bool is_among(const struct json_value *hooks, const char *name)
{
    struct json_iter it = json_iter(hooks);
    const struct json_value *hook;

    while ((hook = json_next(&it, NULL)) != NULL) {
        if (str_is(json_str(json_get(hook, "hookName")), name))
            return true;
    }
    return false;
}

static int print(const struct args *args, const struct client_call *call,
                 const struct buf *response)
{
    const char *only = args_text(args, "hook");
    const struct json_value *hooks;
    struct json *json;
    int status = 0;

    if (args_has(args, "json")) {
        printf("%.*s\n", STR_ARG(buf_str(response)));
        return 0;
    }
    if (!client_read(args->command, response, &json))
        return EXIT_FAILED;
    hooks = json_get(json_root(json), "hooks");
    if (only != NULL && call->next->n_bytes == 0 && !is_among(hooks, only)) {
        json_free(json);
        return command_failed(args->command,
                              "the organization has no webhook %s", only);
    }
    print_hooks(hooks);
    if (only != NULL && is_left_out(hooks, only)) {
        status = print_alone(args, *call, only);
    } else {
        print_requests(hooks, only);
    }
    json_free(json);
    return status;
}

int command_explain(const struct args *args)
{
    struct buf next;
    struct client_call call = { .method = "POST", .next = &next };
    const char *event = args_text(args, "event");
    const char *id = args_text(args, "id");
    struct scope_options scope;
    struct buf path, body, response;
    int status = EXIT_FAILED;

    if ((event != NULL) == (id != NULL))
        return command_misused(args->command, "give --event FILE or --id ID");
    if (!scope_read(args, false, &scope))
        return EXIT_USAGE;
    if (!operator_is_org(str_of(scope.org)) && !exists_org(args))
        return EXIT_FAILED;
    buf_init(&path, 0);
    buf_init(&body, 0);
    buf_init(&response, 0);
    buf_init(&next, 0);
    buf_puts(&path, scope.is_akinon ? "/organizations" : "/api/orgs");
    client_put_segment(&path, scope.org);
    if (scope.is_akinon) {
        buf_puts(&path, "/projects");
        client_put_segment(&path, scope.project);
    }
    if (id != NULL) {
        call.method = "GET";
        buf_puts(&path, "/events");
        client_put_segment(&path, id);
    } else {
        buf_puts(&path, "/explain");
    }
    buf_puts(&path, "?limit=1000");
    call.path = buf_cstr(&path);
    if (event == NULL || client_read_file(args->command, event, &body)) {
        call.body = buf_str(&body);
        if (client_request(args, &call, &response) == OK)
            status = print(args, &call, &response);
    }
    if (next.n_bytes > 0) {
        fputs("There are more than 1000 webhooks; these are the first.\n",
              stderr);
    }
    buf_clear(&next);
    buf_clear(&response);
    buf_clear(&body);
    buf_clear(&path);
    return status;
}
