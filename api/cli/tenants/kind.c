// SPDX-License-Identifier: MIT
// kind.c — `posthorn kind`: an organization's catalogue of kinds.

#include <stdio.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/terminal.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

// --- output ---

static void put_time_ms(struct table *t, const struct json_value *v)
{
    struct buf text;
    int64_t ms;

    buf_init(&text, 0);
    if (json_int(v, &ms) == OK)
        terminal_put_time(&text, ms / 1000);
    table_put(t, buf_str(&text), PLAIN);
    buf_clear(&text);
}

static void put_described(struct table *t, const struct json_value *entry)
{
    bool has_example = json_bool(json_get(entry, "hasExample"));
    bool has_schema = json_bool(json_get(entry, "hasSchema"));

    table_put(t, json_str(json_get(entry, "kind")), PLAIN);
    put_time_ms(t, json_get(entry, "updatedAt"));
    table_put(t,
              has_example && has_schema ? STR("example, schema")
              : has_example             ? STR("example")
              : has_schema              ? STR("schema")
                                        : STR_EMPTY,
              PLAIN);
    table_put(t, json_str(json_get(entry, "description")), PLAIN);
}

static bool is_described(const struct json_value *catalogue, struct str kind)
{
    struct json_iter it = json_iter(catalogue);
    const struct json_value *entry;

    while ((entry = json_next(&it, NULL)) != NULL) {
        if (str_eq(json_str(json_get(entry, "kind")), kind))
            return true;
    }
    return false;
}

// What the catalogue has, then the kinds of newest events that it has not.
static void print_list(const struct json_value *answer)
{
    static const char *const titles[] = { "KIND", "CHANGED (UTC)", "HAS",
                                          "DESCRIPTION" };
    const struct json_value *catalogue = json_get(answer, "catalogue");
    struct json_iter it = json_iter(catalogue);
    const struct json_value *entry;
    struct table t;

    table_init(&t, titles, 4, "3");
    while ((entry = json_next(&it, NULL)) != NULL)
        put_described(&t, entry);
    it = json_iter(json_get(answer, "kinds"));
    while ((entry = json_next(&it, NULL)) != NULL) {
        struct str kind = json_str(json_get(entry, "kind"));

        if (is_described(catalogue, kind))
            continue;
        table_put(&t, kind, PLAIN);
        table_put(&t, STR_EMPTY, PLAIN);
        table_put(&t, STR_EMPTY, PLAIN);
        table_put(&t, STR("(not described; there are events of it)"), DIM);
    }
    table_end(&t, stdout);
}

// --- verbs ---

static int call(const struct args *args, const struct client_call *what,
                void (*people)(const struct json_value *))
{
    struct buf answer;
    int status = EXIT_FAILED;

    buf_init(&answer, 0);
    if (client_request(args, what, &answer) == OK) {
        status = 0;
        if (people != NULL) {
            status = client_print(args, &answer, people);
        } else if (answer.n_bytes > 0) { // an entry is JSON for people, too
            printf("%.*s\n", (int)answer.n_bytes, answer.at);
        }
    }
    buf_clear(&answer);
    return status;
}

// Puts the JSON that a file holds. False: stderr has the reason.
static bool put_json_file(const struct args *args, const char *option,
                          const char *key, struct json_writer *w)
{
    const char *path = args_text(args, option);
    struct json *json = NULL;
    struct buf text, why;
    bool is_good;

    if (path == NULL)
        return true;
    buf_init(&text, 0);
    buf_init(&why, 0);
    is_good = client_read_file(args->command, path, &text);
    if (is_good &&
        json_parse(buf_str(&text), &json_default_limits, &json, &why) != OK) {
        command_failed(args->command, "--%s: %s: %s", option, path,
                       buf_cstr(&why));
        is_good = false;
    }
    if (is_good)
        json_put_raw(w, key, buf_str(&text));
    json_free(json);
    buf_clear(&why);
    buf_clear(&text);
    return is_good;
}

static int set(const struct args *args, struct client_call *what)
{
    const char *description = args_text(args, "description");
    struct buf body;
    struct json_writer w = json_writer(&body);
    int status = EXIT_FAILED;

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    if (description != NULL)
        json_put_text(&w, "description", description);
    if (put_json_file(args, "example", "example", &w) &&
        put_json_file(args, "schema", "schema", &w)) {
        json_close(&w);
        what->method = "PUT";
        what->body = buf_str(&body);
        status = call(args, what, NULL);
    }
    buf_clear(&body);
    return status;
}

static const char *fault_of(const struct args *args)
{
    static const char *const of_set[] = { "description", "example", "schema" };
    const char *verb = args->operands[0];
    size_t n_wanted = strcmp(verb, "list") == 0 ? 1 : 2;

    if (args_text(args, "org") == NULL)
        return "--org is missing";
    if (args->n_operands < n_wanted)
        return "the kind is missing";
    if (args->n_operands > n_wanted)
        return "there are too many arguments";
    for (size_t i = 0; strcmp(verb, "set") != 0 && i < 3; i++) {
        if (args_text(args, of_set[i]) != NULL)
            return "--description, --example and --schema are for set";
    }
    return NULL;
}

int command_kind(const struct args *args)
{
    const char *fault = fault_of(args);
    const char *verb = args->operands[0];
    struct client_call what = { .method = "GET", .body = STR_EMPTY };
    struct buf path;
    int status;

    if (fault != NULL)
        return command_misused(args->command, "%s", fault);
    if (strcmp(verb, "set") != 0 && !exists_org(args))
        return EXIT_FAILED;
    buf_init(&path, 0);
    buf_puts(&path, args_has(args, "akinon") ? "/organizations" : "/api/orgs");
    client_put_segment(&path, args_text(args, "org"));
    buf_puts(&path, "/kinds");
    if (args->n_operands > 1)
        client_put_segment(&path, args->operands[1]);
    what.path = buf_cstr(&path);
    if (strcmp(verb, "set") == 0) {
        status = set(args, &what);
    } else {
        if (strcmp(verb, "remove") == 0)
            what.method = "DELETE";
        status =
            call(args, &what, strcmp(verb, "list") == 0 ? print_list : NULL);
    }
    buf_clear(&path);
    return status;
}
