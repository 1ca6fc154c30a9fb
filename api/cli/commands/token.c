// SPDX-License-Identifier: MIT
// token.c — `posthorn token`: makes, lists and revokes tokens.

#include <stdio.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/terminal.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

// --- output ---

static void put_when(struct table *t, const struct json_value *v,
                     struct str otherwise)
{
    struct buf text;
    int64_t seconds;

    buf_init(&text, 0);
    if (json_int(v, &seconds) == OK) {
        terminal_put_time(&text, seconds);
    } else {
        buf_put_str(&text, otherwise);
    }
    table_put(t, buf_str(&text), PLAIN);
    buf_clear(&text);
}

static void put_row(struct table *t, const struct json_value *token)
{
    struct json_iter it = json_iter(json_get(token, "scopes"));
    const struct json_value *scope;
    struct buf scopes;

    buf_init(&scopes, 0);
    while ((scope = json_next(&it, NULL)) != NULL) {
        if (scopes.n_bytes > 0)
            buf_putc(&scopes, ',');
        buf_put_str(&scopes, json_str(scope));
    }
    table_put(t, json_str(json_get(token, "id")), PLAIN);
    table_put(t, buf_str(&scopes), PLAIN);
    put_when(t, json_get(token, "createdAt"), STR_EMPTY);
    put_when(t, json_get(token, "expiresAt"), STR("never"));
    table_put(t, json_str(json_get(token, "name")), PLAIN);
    buf_clear(&scopes);
}

static void print_list(const struct json_value *list)
{
    static const char *const titles[] = { "ID", "SCOPES", "CREATED (UTC)",
                                          "EXPIRES", "NAME" };
    struct json_iter it = json_iter(list);
    const struct json_value *token;
    struct table t;

    table_init(&t, titles, 5, "41");
    while ((token = json_next(&it, NULL)) != NULL)
        put_row(&t, token);
    table_end(&t, stdout);
}

static void print_created(const struct json_value *t)
{
    printf("%.*s\n", STR_ARG(json_str(json_get(t, "token"))));
    fprintf(stderr,
            "This is the token %.*s. It is shown this once and stored "
            "nowhere.\n",
            STR_ARG(json_str(json_get(t, "id"))));
}

// --- verbs ---

static int call(const struct args *args, const struct client_call *what,
                void (*people)(const struct json_value *))
{
    struct buf response;
    int status = EXIT_FAILED;

    buf_init(&response, 0);
    if (client_request(args, what, &response) == OK)
        status = people != NULL ? client_print(args, &response, people) : 0;
    buf_clear(&response);
    return status;
}

static int create(const struct args *args, struct client_call *what)
{
    const char *name = args_text(args, "name");
    struct buf body;
    struct json_writer w = json_writer(&body);
    int status;

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    client_put_words(args_text(args, "scopes"), "scopes", &w);
    if (name != NULL)
        json_put_text(&w, "name", name);
    json_close(&w);
    what->method = "POST";
    what->body = buf_str(&body);
    status = call(args, what, print_created);
    buf_clear(&body);
    return status;
}

static const char *fault_of(const struct args *args)
{
    const char *verb = args->operands[0];
    size_t n_wanted = strcmp(verb, "revoke") == 0 ? 2 : 1;

    if (args_text(args, "org") == NULL)
        return "--org is missing";
    if (strcmp(verb, "create") == 0 && args_text(args, "scopes") == NULL)
        return "--scopes is missing";
    if (args->n_operands < n_wanted)
        return "the token's id is missing";
    return args->n_operands > n_wanted ? "there are too many arguments" : NULL;
}

int command_token(const struct args *args)
{
    const char *fault = fault_of(args);
    const char *verb = args->operands[0];
    struct client_call what = { .method = "GET", .body = STR_EMPTY };
    struct buf path;
    int status;

    if (fault != NULL)
        return command_misused(args->command, "%s", fault);
    if (strcmp(verb, "create") != 0 && !exists_org(args))
        return EXIT_FAILED;
    buf_init(&path, 0);
    buf_puts(&path, "/api/orgs");
    client_put_segment(&path, args_text(args, "org"));
    buf_puts(&path, "/tokens");
    if (strcmp(verb, "revoke") == 0)
        client_put_segment(&path, args->operands[1]);
    what.path = buf_cstr(&path);
    if (strcmp(verb, "create") == 0) {
        status = create(args, &what);
    } else if (strcmp(verb, "list") == 0) {
        status = call(args, &what, print_list);
    } else {
        what.method = "DELETE";
        status = call(args, &what, NULL);
    }
    buf_clear(&path);
    return status;
}
