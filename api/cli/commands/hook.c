// SPDX-License-Identifier: MIT
// hook.c — `posthorn hook`: makes, shows, changes and deletes hooks.
//
// A table lists the fields of a hook: an option, its member in either API, and how the
// text becomes JSON. The engine checks the values; the command only passes them on.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/commands/hook_table.h"
#include "api/cli/core/api_client.h"
#include "api/cli/core/attempt_table.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/facts.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

#define NONE          "none" // removes a value
#define LEAST_COLUMNS 24     // for a destination, filters and a display name

enum field_type {
    FIELD_TEXT,
    FIELD_FILE, // whose content it is; "-": standard input
    FIELD_LIST, // with commas
    FIELD_NUMBER,
    FIELD_BOOL, // yes or no
    FIELD_RATE, // "20" or "20:40": a second, and at once
    FIELD_HEADER,
    FIELD_JSON // "{…}", or "@FILE"
};

static const struct field {
    const char *option;
    const char *pulumi, *akinon; // members; NULL: it has none
    enum field_type type;
} fields[] = {
    { "name", "name", NULL, FIELD_TEXT },
    { "display-name", "displayName", "name", FIELD_TEXT },
    { "url", "payloadUrl", "url", FIELD_TEXT },
    { "format", "format", NULL, FIELD_TEXT },
    { "filters", "filters", "events", FIELD_LIST },
    { "groups", "groups", NULL, FIELD_LIST },
    { "active", "active", "active", FIELD_BOOL },
    { "paused", "paused", "paused", FIELD_BOOL },
    { "secret-file", "secret", NULL, FIELD_FILE },
    { "end-secret-overlap", "endSecretOverlap", "endSecretOverlap",
      FIELD_BOOL },
    { "signing-key", "signingKey", "signingKey", FIELD_TEXT },
    { "signing-key-file", "signingKey", "signingKey", FIELD_FILE },
    { "header", "headers", "headers", FIELD_HEADER },
    { "secret-headers", "secretHeaders", "secretHeaders", FIELD_LIST },
    { "retry-schedule", "retrySchedule", "retrySchedule", FIELD_LIST },
    { "timeout", "timeout", "timeout", FIELD_TEXT },
    { "max-in-flight", "maxInFlight", "maxInFlight", FIELD_NUMBER },
    { "rate", "rateLimit", "rateLimit", FIELD_RATE },
    { "ordered", "ordered", "ordered", FIELD_BOOL },
    { "order-key", "orderKey", "orderKey", FIELD_TEXT },
    { "header-case", "headerCase", "headerCase", FIELD_TEXT },
    { "trace-context", "traceContext", "traceContext", FIELD_BOOL },
    { "handshake", "handshake", "handshake", FIELD_BOOL },
    { "pattern", "pattern", "pattern", FIELD_JSON },
    { "client-certificate", "clientCertificate", "clientCertificate",
      FIELD_FILE },
    { "client-key", "clientKey", "clientKey", FIELD_FILE },
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

struct options {
    const struct args *args;
    struct scope_options scope;
};

// --- the body ---

static enum err put_file(const struct options *o, const char *member,
                         const char *path, struct json_writer *w)
{
    struct buf text;
    bool is_good;

    buf_init(&text, 0);
    is_good = client_read_file(o->args->command, path, &text);
    // The newline at the end of a secret's file is not part of the secret.
    while (text.n_bytes > 0 && (text.at[text.n_bytes - 1] == '\n' ||
                                text.at[text.n_bytes - 1] == '\r'))
        text.n_bytes--;
    if (is_good)
        json_put_str(w, member, buf_str(&text));
    buf_clear(&text);
    return is_good ? OK : ERR_INVALID;
}

static enum err put_json(const struct options *o, const struct field *field,
                         const char *member, const char *value,
                         struct json_writer *w)
{
    struct json *json = NULL;
    struct buf text;
    struct buf why;
    enum err err = OK;

    buf_init(&text, 0);
    buf_init(&why, 0);
    if (value[0] != '@') {
        buf_puts(&text, value);
    } else if (!client_read_file(o->args->command, value + 1, &text)) {
        err = ERR_INVALID;
    }
    if (err == OK &&
        json_parse(buf_str(&text), &json_default_limits, &json, &why) != OK) {
        command_failed(o->args->command, "--%s is not JSON: %s", field->option,
                       buf_cstr(&why));
        err = ERR_INVALID;
    }
    if (err == OK)
        json_put_raw(w, member, buf_str(&text));
    json_free(json);
    buf_clear(&text);
    buf_clear(&why);
    return err;
}

static void put_list(const char *member, const char *text,
                     struct json_writer *w)
{
    json_open_array(w, member);
    while (*text != '\0') {
        struct str item = { text, strcspn(text, ",") };

        text += item.n_bytes;
        text += *text == ',';
        json_put_str(w, NULL, item);
    }
    json_close(w);
}

// Puts a number unchanged: the engine reports if it is invalid.
static void put_number(const char *member, struct str text,
                       struct json_writer *w)
{
    bool is_number = text.n_bytes > 0 && text.n_bytes < 16;

    for (size_t i = 0; i < text.n_bytes; i++) {
        is_number = is_number && text.at[i] >= '0' && text.at[i] <= '9' &&
                    (i > 0 || text.at[i] != '0' || text.n_bytes == 1);
    }
    if (is_number) {
        json_put_raw(w, member, text);
    } else {
        json_put_str(w, member, text);
    }
}

static void put_rate(const char *member, const char *text,
                     struct json_writer *w)
{
    const char *colon = strchr(text, ':');
    struct str rate = { text,
                        colon != NULL ? (size_t)(colon - text) : strlen(text) };

    json_open_object(w, member);
    put_number("perSecond", rate, w);
    if (colon != NULL)
        put_number("burst", str_of(colon + 1), w);
    json_close(w);
}

static enum err put_headers(const struct options *o, const char *member,
                            struct json_writer *w)
{
    const char *header;
    size_t i = 0;

    json_open_object(w, member);
    while ((header = args_next(o->args, "header", &i)) != NULL) {
        const char *colon = strchr(header, ':');

        if (colon == NULL) {
            command_failed(o->args->command,
                           "--header %s: it must be Name: value", header);
            return ERR_INVALID;
        }
        json_put_key(w, (struct str){ header, (size_t)(colon - header) });
        json_put_text(w, NULL, colon + 1 + strspn(colon + 1, " \t"));
    }
    json_close(w);
    return OK;
}

static enum err put_value(const struct options *o, const struct field *field,
                          const char *member, const char *value,
                          struct json_writer *w)
{
    if (strcmp(value, NONE) == 0 && strcmp(field->option, "secret-file") == 0) {
        json_put_text(w, member, "__remove-secret");
        return OK;
    }
    if (strcmp(value, NONE) == 0) {
        json_put_raw(w, member,
                     field->type == FIELD_HEADER ? STR("{}") : STR("null"));
        return OK;
    }
    switch (field->type) {
    case FIELD_TEXT:
        json_put_text(w, member, value);
        break;
    case FIELD_FILE:
        return put_file(o, member, value, w);
    case FIELD_LIST:
        put_list(member, value, w);
        break;
    case FIELD_NUMBER:
        put_number(member, str_of(value), w);
        break;
    case FIELD_BOOL:
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
            command_failed(o->args->command, "--%s must be yes or no",
                           field->option);
            return ERR_INVALID;
        }
        json_put_bool(w, member, value[0] == 'y');
        break;
    case FIELD_RATE:
        put_rate(member, value, w);
        break;
    case FIELD_HEADER:
        return put_headers(o, member, w);
    case FIELD_JSON:
        return put_json(o, field, member, value, w);
    }
    return OK;
}

static void put_scope(const struct options *o, struct json_writer *w)
{
    const struct {
        const char *member, *value;
    } names[] = { { "organizationName", o->scope.org },
                  { "projectName", o->scope.project },
                  { "stackName", o->scope.stack },
                  { "envName", o->scope.environment } };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].value != NULL)
            json_put_text(w, names[i].member, names[i].value);
    }
}

static enum err put_body(const struct options *o, bool is_new, struct buf *out)
{
    struct json_writer w = json_writer(out);
    size_t n_before;

    json_open_object(&w, NULL);
    if (is_new && !o->scope.is_akinon)
        put_scope(o, &w);
    if (is_new && !o->scope.is_akinon && !args_has(o->args, "active"))
        json_put_bool(&w, "active", true);
    n_before = out->n_bytes;
    for (size_t i = 0; i < N_FIELDS; i++) {
        const char *value = args_text(o->args, fields[i].option);
        const char *member =
            o->scope.is_akinon ? fields[i].akinon : fields[i].pulumi;

        if (value == NULL)
            continue;
        if (member == NULL) {
            command_failed(o->args->command, "hooks of Akinon have no --%s",
                           fields[i].option);
            return ERR_INVALID;
        }
        if (put_value(o, &fields[i], member, value, &w) != OK)
            return ERR_INVALID;
    }
    if (!is_new && out->n_bytes == n_before) {
        command_failed(o->args->command, "there is nothing to change; give at "
                                         "least one field, such as --url");
        return ERR_INVALID;
    }
    json_close(&w);
    return OK;
}

// --- output ---

static struct str text_of(const struct json_value *hook, const char *pulumi,
                          const char *akinon)
{
    const struct json_value *v = json_get(hook, pulumi);

    return json_str(v != NULL ? v : json_get(hook, akinon));
}

// Adds the cell with the hook's state, as "paused"; "active" if nothing is wrong.
static void put_state(struct table *t, const struct json_value *hook)
{
    bool is_active = json_bool(json_get(hook, "active"));
    struct str reason =
        json_str(json_get(json_get(hook, "disabled"), "reason"));
    struct str permission =
        json_str(json_get(json_get(hook, "handshakeState"), "state"));
    int64_t waiting = 0;

    if (!is_active && reason.n_bytes > 0) {
        table_put(
            t, str_is(reason, "gone") ? STR("off: gone") : STR("off: failing"),
            RED);
    } else if (!is_active) {
        table_put(t, STR("inactive"), DIM);
    } else if (json_bool(json_get(hook, "paused"))) {
        table_put(t, STR("paused"), YELLOW);
    } else if (str_is(permission, "awaiting") ||
               str_is(permission, "refused")) {
        table_put(t,
                  str_is(permission, "refused") ? STR("refused")
                                                : STR("awaiting handshake"),
                  YELLOW);
    } else if (json_get(hook, "failing") != NULL) {
        table_put(t, STR("failing"), RED);
    } else {
        table_put(t, STR("active"), GREEN);
    }
    if (is_active && json_int(json_get(hook, "waiting"), &waiting) == OK) {
        table_printf(t, "%" PRId64, waiting);
    } else {
        table_put(t, STR_EMPTY, PLAIN);
    }
}

static void put_names(const struct json_value *list, struct buf *out)
{
    struct json_iter it = json_iter(list);
    const struct json_value *name;

    while ((name = json_next(&it, NULL)) != NULL) {
        if (out->n_bytes > 0)
            buf_puts(out, ", ");
        buf_put_str(out, json_str(name));
    }
}

static void put_row(struct table *t, const struct json_value *hook)
{
    bool is_akinon = json_get(hook, "_id") != NULL;
    struct buf filters;

    buf_init(&filters, 0);
    put_names(json_get(hook, is_akinon ? "events" : "filters"), &filters);
    put_names(json_get(hook, "groups"), &filters);
    if (filters.n_bytes == 0 && !is_akinon)
        buf_puts(&filters, "all events");
    table_put(t, json_str(json_get(hook, is_akinon ? "_id" : "name")), PLAIN);
    put_state(t, hook);
    table_put(t, text_of(hook, "payloadUrl", "url"), PLAIN);
    table_put(t, buf_str(&filters), PLAIN);
    table_put(t, json_str(json_get(hook, is_akinon ? "name" : "displayName")),
              PLAIN);
    buf_clear(&filters);
}

static void print_hooks(const struct json_value *response)
{
    static const char *const titles[] = { "NAME",    "STATE",
                                          "WAITING", "DESTINATION",
                                          "FILTERS", "DISPLAY NAME" };
    struct json_iter it = json_iter(response);
    const struct json_value *hook;
    struct table t;

    table_init(&t, titles, 6, "543");
    t.droppable = "52";
    t.least = LEAST_COLUMNS;
    if (!json_is(response, JSON_ARRAY))
        put_row(&t, response);
    while (json_is(response, JSON_ARRAY) &&
           (hook = json_next(&it, NULL)) != NULL)
        put_row(&t, hook);
    table_end(&t, stdout);
}

static void print_attempt(const struct json_value *response)
{
    struct table t;

    attempt_table_begin(&t, false);
    attempt_table_put(&t, response);
    table_end(&t, stdout);
}

static int print(const struct options *o, const struct buf *response,
                 void (*people)(const struct json_value *response))
{
    if (response->n_bytes == 0)
        return 0;
    return client_print(o->args, response, people);
}

// --- verbs ---

static const struct verb {
    const char *name;
    const char *method;
    const char *suffix; // of the path
    bool wants_hook, is_new, is_change;
    void (*people)(const struct json_value *response);
    const char *body; // of a change that needs no options
} verbs[] = {
    { "create", "POST", "", false, true, false, print_hooks, NULL },
    { "list", "GET", "", false, false, false, print_hooks, NULL },
    { "get", "GET", "", true, false, false, facts_print, NULL },
    { "update", "PATCH", "", true, false, true, print_hooks, NULL },
    { "pause", "PATCH", "", true, false, false, print_hooks,
      "{\"paused\":true}" },
    { "resume", "PATCH", "", true, false, false, print_hooks,
      "{\"paused\":false}" },
    { "delete", "DELETE", "", true, false, false, print_hooks, NULL },
    { "ping", "POST", "/ping", true, false, false, print_attempt, NULL },
    { "status", "GET", "/status", true, false, false, facts_print, NULL },
};

// Whether the answer is an empty list: that may mean an organization that does not
// exist. Calls about one hook get 404 if it does not exist.
static bool is_empty_list(const struct buf *response)
{
    return str_is(buf_str(response), "[]");
}

static int run(const struct options *o, const struct verb *verb)
{
    struct client_call what = { .method = verb->method };
    struct buf path, body, response;
    int status = EXIT_FAILED;

    buf_init(&path, 0);
    buf_init(&body, 0);
    buf_init(&response, 0);
    scope_put_hooks_path(&o->scope, &path);
    if (verb->wants_hook)
        client_put_segment(&path, o->scope.hook);
    buf_puts(&path, verb->suffix);
    what.path = buf_cstr(&path);
    if (verb->body != NULL)
        buf_puts(&body, verb->body);
    if ((!verb->is_new && !verb->is_change) ||
        put_body(o, verb->is_new, &body) == OK) {
        what.body = buf_str(&body);
        if (client_request(o->args, &what, &response) == OK &&
            (!is_empty_list(&response) || exists_scope(o->args, &o->scope)))
            status = print(o, &response, verb->people);
    }
    buf_clear(&path);
    buf_clear(&body);
    buf_clear(&response);
    return status;
}

int command_hook(const struct args *args)
{
    struct options o = { .args = args };
    size_t verb = 0;

    while (strcmp(args->operands[0], verbs[verb].name) != 0)
        verb++; // ends: args_read() has checked that it is a verb
    if (!scope_read(args, verbs[verb].wants_hook, &o.scope) ||
        !hook_table_check(args, &o.scope,
                          strcmp(verbs[verb].name, "list") == 0))
        return EXIT_USAGE;
    if (args_has(args, "all"))
        return hook_table(args, &o.scope);
    return run(&o, &verbs[verb]);
}
