// SPDX-License-Identifier: MIT
// token.c — `posthorn token`: makes, lists, replaces and revokes tokens.

#include <stdio.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/terminal.h"
#include "common/base/clock.h"
#include "common/config/config_types.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "common/model/operator.h"

#define EXPIRES_MIN_MS (INT64_C(60) * 1000)
#define EXPIRES_MAX_MS (INT64_C(3650) * 24 * 3600 * 1000)

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

// The organization of the tokens; NULL: none is given.
static const char *org_of(const struct args *args)
{
    return args_has(args, "operator") ? OPERATOR_ORG : args_text(args, "org");
}

// False: --expires is no duration.
static bool put_expiry(const struct args *args, struct json_writer *w)
{
    const char *text = args_text(args, "expires");
    int64_t ms;

    if (text == NULL)
        return true;
    if (config_read_duration(str_of(text), EXPIRES_MIN_MS, EXPIRES_MAX_MS,
                             &ms) != OK)
        return false;
    json_put_i64(w, "expiresAt", (clock_now_ms() + ms) / 1000);
    return true;
}

// Makes a token, or, with an id, one in its place.
static int create(const struct args *args, bool is_rotation,
                  struct client_call *what)
{
    const char *name = args_text(args, "name");
    const char *overlap = args_text(args, "overlap");
    bool is_operator = args_has(args, "operator");
    struct buf body;
    struct json_writer w = json_writer(&body);
    int status;

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    if (!is_rotation) {
        client_put_words(is_operator ? "admin" : args_text(args, "scopes"),
                         "scopes", &w);
    }
    if (name != NULL)
        json_put_text(&w, "name", name);
    if (overlap != NULL)
        json_put_text(&w, "overlap", overlap);
    if (!put_expiry(args, &w)) {
        buf_clear(&body);
        return command_misused(args->command,
                               "--expires must be a duration of 1m to 3650d, "
                               "such as 90d");
    }
    json_close(&w);
    what->method = "POST";
    what->body = buf_str(&body);
    status = client_run(args, what, print_created);
    buf_clear(&body);
    return status;
}

static const char *fault_of(const struct args *args)
{
    const char *verb = args->operands[0];
    bool is_rotation = strcmp(verb, "rotate") == 0;
    bool is_create = strcmp(verb, "create") == 0;
    size_t n_wanted = is_rotation || strcmp(verb, "revoke") == 0 ? 2 : 1;

    if (org_of(args) == NULL)
        return "--org is missing, or --operator for admin tokens";
    if (args_has(args, "operator") && args_text(args, "org") != NULL)
        return "--org and --operator exclude each other";
    if (args_has(args, "operator") && args_text(args, "scopes") != NULL)
        return "--operator has no --scopes: these tokens allow everything";
    if (is_create && !args_has(args, "operator") &&
        args_text(args, "scopes") == NULL)
        return "--scopes is missing";
    if (!is_create && args_text(args, "name") != NULL)
        return "--name is for create";
    if (!is_rotation && args_text(args, "overlap") != NULL)
        return "--overlap is for rotate";
    if (!is_create && !is_rotation && args_text(args, "expires") != NULL)
        return "--expires is for create and rotate";
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
    if (strcmp(verb, "create") != 0 && args_text(args, "org") != NULL &&
        !exists_org(args))
        return EXIT_FAILED;
    buf_init(&path, 0);
    buf_puts(&path, "/api/orgs");
    client_put_segment(&path, org_of(args));
    buf_puts(&path, "/tokens");
    if (args->n_operands > 1)
        client_put_segment(&path, args->operands[1]);
    if (strcmp(verb, "rotate") == 0)
        buf_puts(&path, "/rotate");
    what.path = buf_cstr(&path);
    if (strcmp(verb, "create") == 0 || strcmp(verb, "rotate") == 0) {
        status = create(args, strcmp(verb, "rotate") == 0, &what);
    } else if (strcmp(verb, "list") == 0) {
        status = client_run(args, &what, print_list);
    } else {
        what.method = "DELETE";
        status = client_run(args, &what, NULL);
    }
    buf_clear(&path);
    return status;
}
