// cli_hook.c — `posthorn hook`: makes, shows, changes and deletes hooks.
//
// What a hook has is a table: an option, its member in either API, and how the
// text becomes JSON. The engine judges the values; this only carries them.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client.h"
#include "api/commands.h"
#include "common/json.h"

#define FIELDS_MAX     20
#define FILE_MAX_BYTES ((size_t)64 * 1024)
#define NONE           "none" // takes a value away

enum field_type {
    FIELD_TEXT,
    FIELD_FILE, // whose content it is; "-": standard input
    FIELD_LIST, // with commas
    FIELD_NUMBER,
    FIELD_BOOL, // yes or no
    FIELD_RATE, // "20" or "20:40": a second, and at once
    FIELD_HEADER
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
    { "secret-file", "secret", NULL, FIELD_FILE },
    { "header", "headers", "headers", FIELD_HEADER },
    { "retry-schedule", "retrySchedule", "retrySchedule", FIELD_LIST },
    { "timeout", "timeout", "timeout", FIELD_TEXT },
    { "max-in-flight", "maxInFlight", "maxInFlight", FIELD_NUMBER },
    { "rate", "rateLimit", "rateLimit", FIELD_RATE },
    { "ordered", "ordered", "ordered", FIELD_BOOL },
    { "order-key", "orderKey", "orderKey", FIELD_TEXT },
    { "client-certificate", "clientCertificate", "clientCertificate",
      FIELD_FILE },
    { "client-key", "clientKey", "clientKey", FIELD_FILE },
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))
#define ACTIVE   6 // its place in the table

enum { // options that are no fields; those are 0, 1, 2 …
    OPTION_ORG = 256,
    OPTION_PROJECT,
    OPTION_STACK,
    OPTION_ENVIRONMENT,
    OPTION_AKINON,
    OPTION_HOOK,
    OPTION_API,
    OPTION_TOKEN,
    OPTION_DATA_DIR,
    OPTION_JSON
};

static const struct option places[] = {
    { "org", required_argument, NULL, OPTION_ORG },
    { "project", required_argument, NULL, OPTION_PROJECT },
    { "stack", required_argument, NULL, OPTION_STACK },
    { "environment", required_argument, NULL, OPTION_ENVIRONMENT },
    { "akinon", no_argument, NULL, OPTION_AKINON },
    { "hook", required_argument, NULL, OPTION_HOOK },
    { "api", required_argument, NULL, OPTION_API },
    { "token", required_argument, NULL, OPTION_TOKEN },
    { "data-dir", required_argument, NULL, OPTION_DATA_DIR },
    { "json", no_argument, NULL, OPTION_JSON },
};

#define N_PLACES (sizeof(places) / sizeof(places[0]))

struct options {
    const struct command *command;
    struct client_options client;
    const char *org, *project, *stack, *environment, *hook;
    bool is_akinon, is_json;
    const char *values[N_FIELDS]; // as given; NULL: not
    const char *headers[32];
    size_t n_headers;
};

static void take_place(struct options *o, int option)
{
    const struct {
        int option;
        const char **text;
    } texts[] = {
        { OPTION_ORG, &o->org },
        { OPTION_PROJECT, &o->project },
        { OPTION_STACK, &o->stack },
        { OPTION_ENVIRONMENT, &o->environment },
        { OPTION_HOOK, &o->hook },
        { OPTION_API, &o->client.api },
        { OPTION_TOKEN, &o->client.token },
        { OPTION_DATA_DIR, &o->client.data_dir },
    };

    o->is_akinon = o->is_akinon || option == OPTION_AKINON;
    o->is_json = o->is_json || option == OPTION_JSON;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].option == option)
            *texts[i].text = optarg;
    }
}

static void take_option(struct options *o, int option)
{
    if ((size_t)option >= N_FIELDS) {
        take_place(o, option);
        return;
    }
    o->values[option] = optarg;
    if (fields[option].type == FIELD_HEADER &&
        o->n_headers < sizeof(o->headers) / sizeof(o->headers[0]))
        o->headers[o->n_headers++] = optarg;
}

// --- the body ---

static enum err put_file(const struct options *o, const char *path,
                         struct buf *out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *text = malloc(FILE_MAX_BYTES);
    size_t n = 0;

    if (file == NULL || text == NULL) {
        fprintf(stderr, "posthorn %s: %s cannot be read: %s\n",
                o->command->name, path, strerror(errno));
        free(text);
        return ERR_INVALID;
    }
    n = fread(text, 1, FILE_MAX_BYTES, file);
    if (file != stdin)
        fclose(file);
    // A secret's file ends with a line's end that is no part of it.
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    buf_put_json(out, (struct str){ text, n });
    free(text);
    return OK;
}

static void put_list(const char *text, struct buf *out)
{
    const char *separator = "[";

    while (*text != '\0') {
        struct str item = { text, strcspn(text, ",") };

        text += item.n_bytes;
        text += *text == ',';
        buf_puts(out, separator);
        buf_put_json(out, item);
        separator = ",";
    }
    buf_puts(out, *separator == '[' ? "[]" : "]");
}

// As it is: the engine says what is wrong with it.
static void put_number(struct str text, struct buf *out)
{
    bool is_number = text.n_bytes > 0 && text.n_bytes < 16;

    for (size_t i = 0; i < text.n_bytes; i++) {
        is_number = is_number && text.at[i] >= '0' && text.at[i] <= '9' &&
                    (i > 0 || text.at[i] != '0' || text.n_bytes == 1);
    }
    if (is_number) {
        buf_put_str(out, text);
    } else {
        buf_put_json(out, text);
    }
}

static void put_rate(const char *text, struct buf *out)
{
    const char *colon = strchr(text, ':');
    struct str rate = { text,
                        colon != NULL ? (size_t)(colon - text) : strlen(text) };

    buf_puts(out, "{\"perSecond\":");
    put_number(rate, out);
    if (colon != NULL) {
        buf_puts(out, ",\"burst\":");
        put_number(str_of(colon + 1), out);
    }
    buf_putc(out, '}');
}

static enum err put_headers(const struct options *o, struct buf *out)
{
    buf_putc(out, '{');
    for (size_t i = 0; i < o->n_headers; i++) {
        const char *colon = strchr(o->headers[i], ':');

        if (colon == NULL) {
            fprintf(stderr,
                    "posthorn %s: --header %s: it must be Name: value\n",
                    o->command->name, o->headers[i]);
            return ERR_INVALID;
        }
        if (i > 0)
            buf_putc(out, ',');
        buf_put_json(out, (struct str){ o->headers[i],
                                        (size_t)(colon - o->headers[i]) });
        buf_putc(out, ':');
        buf_put_json(out, str_of(colon + 1 + strspn(colon + 1, " \t")));
    }
    buf_putc(out, '}');
    return OK;
}

static enum err put_value(const struct options *o, const struct field *field,
                          const char *value, struct buf *out)
{
    if (strcmp(value, NONE) == 0 && strcmp(field->option, "secret-file") == 0) {
        buf_puts(out, "\"__remove-secret\"");
        return OK;
    }
    if (strcmp(value, NONE) == 0) {
        buf_puts(out, field->type == FIELD_HEADER ? "{}" : "null");
        return OK;
    }
    switch (field->type) {
    case FIELD_TEXT:
        buf_put_json(out, str_of(value));
        break;
    case FIELD_FILE:
        return put_file(o, value, out);
    case FIELD_LIST:
        put_list(value, out);
        break;
    case FIELD_NUMBER:
        put_number(str_of(value), out);
        break;
    case FIELD_BOOL:
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
            fprintf(stderr, "posthorn %s: --%s must be yes or no\n",
                    o->command->name, field->option);
            return ERR_INVALID;
        }
        buf_puts(out, value[0] == 'y' ? "true" : "false");
        break;
    case FIELD_RATE:
        put_rate(value, out);
        break;
    case FIELD_HEADER:
        return put_headers(o, out);
    }
    return OK;
}

static void put_place(const struct options *o, struct buf *out)
{
    const struct {
        const char *member, *value;
    } names[] = { { "organizationName", o->org },
                  { "projectName", o->project },
                  { "stackName", o->stack },
                  { "envName", o->environment } };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].value == NULL)
            continue;
        buf_printf(out, "%s\"%s\":", out->n_bytes > 1 ? "," : "",
                   names[i].member);
        buf_put_json(out, str_of(names[i].value));
    }
}

static enum err put_body(const struct options *o, bool is_new, struct buf *out)
{
    size_t n_before;

    buf_putc(out, '{');
    if (is_new && !o->is_akinon)
        put_place(o, out);
    if (is_new && !o->is_akinon && o->values[ACTIVE] == NULL)
        buf_puts(out, ",\"active\":true");
    n_before = out->n_bytes;
    for (size_t i = 0; i < N_FIELDS; i++) {
        const char *member = o->is_akinon ? fields[i].akinon : fields[i].pulumi;

        if (o->values[i] == NULL)
            continue;
        if (member == NULL) {
            fprintf(stderr, "posthorn %s: hooks of Akinon have no --%s\n",
                    o->command->name, fields[i].option);
            return ERR_INVALID;
        }
        buf_printf(out, "%s\"%s\":", out->n_bytes > 1 ? "," : "", member);
        if (put_value(o, &fields[i], o->values[i], out) != OK)
            return ERR_INVALID;
    }
    if (!is_new && out->n_bytes == n_before) {
        fprintf(stderr, "posthorn %s: say what is to be changed\n",
                o->command->name);
        return ERR_INVALID;
    }
    buf_putc(out, '}');
    return OK;
}

// --- output ---

static struct str text_of(const struct json_value *hook, const char *pulumi,
                          const char *akinon)
{
    const struct json_value *v = json_get(hook, pulumi);

    return json_str(v != NULL ? v : json_get(hook, akinon));
}

static void print_row(const struct json_value *hook)
{
    bool is_akinon = json_get(hook, "_id") != NULL;

    printf("%-32.*s  %-6s  %-24.*s  %.*s\n",
           STR_ARG(json_str(json_get(hook, is_akinon ? "_id" : "name"))),
           json_bool(json_get(hook, "active")) ? "yes" : "no",
           STR_ARG(is_akinon ? json_str(json_get(hook, "name"))
                             : json_str(json_get(hook, "displayName"))),
           STR_ARG(text_of(hook, "payloadUrl", "url")));
}

static void print_hooks(const struct json_value *answer)
{
    struct json_iter it = json_iter(answer);
    const struct json_value *hook;

    printf("%-32s  %-6s  %-24s  %s\n", "NAME", "ACTIVE", "DISPLAY NAME", "URL");
    if (!json_is(answer, JSON_ARRAY)) {
        print_row(answer);
        return;
    }
    while ((hook = json_next(&it, NULL)) != NULL)
        print_row(hook);
}

static int print(const struct options *o, const struct buf *answer,
                 bool is_table)
{
    struct json_limits limits = json_default_limits;
    struct json *json;

    if (answer->n_bytes == 0)
        return 0;
    if (o->is_json || !is_table) {
        printf("%.*s\n", STR_ARG(buf_str(answer)));
        return 0;
    }
    limits.max_keys = SIZE_MAX;
    if (json_parse(buf_str(answer), &limits, &json, NULL) != OK) {
        fprintf(stderr, "posthorn %s: the answer is not understood\n",
                o->command->name);
        return EXIT_FAILED;
    }
    print_hooks(json_root(json));
    json_free(json);
    return 0;
}

// --- verbs ---

static const struct verb {
    const char *name;
    const char *method;
    const char *suffix; // of the path
    bool wants_hook, is_new, is_change, is_table;
} verbs[] = {
    { "create", "POST", "", false, true, false, true },
    { "list", "GET", "", false, false, false, true },
    { "get", "GET", "", true, false, false, false },
    { "update", "PATCH", "", true, false, true, true },
    { "delete", "DELETE", "", true, false, false, false },
    { "ping", "POST", "/ping", true, false, false, false },
    { "status", "GET", "/status", true, false, false, false },
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void put_path(const struct options *o, const struct verb *verb,
                     struct buf *path)
{
    if (o->is_akinon) {
        buf_puts(path, "/organizations");
        client_put_segment(path, o->org);
        buf_puts(path, "/projects");
        client_put_segment(path, o->project);
        buf_puts(path, "/settings/webhooks");
    } else {
        buf_puts(path, o->environment != NULL ? "/api/esc/environments"
                       : o->stack != NULL     ? "/api/stacks"
                                              : "/api/orgs");
        client_put_segment(path, o->org);
        if (o->project != NULL)
            client_put_segment(path, o->project);
        if (o->stack != NULL)
            client_put_segment(path, o->stack);
        if (o->environment != NULL)
            client_put_segment(path, o->environment);
        buf_puts(path, "/hooks");
    }
    if (verb->wants_hook)
        client_put_segment(path, o->hook);
    buf_puts(path, verb->suffix);
}

static int run(const struct options *o, const struct verb *verb)
{
    struct client_call what = { .command = "hook", .method = verb->method };
    struct buf path, body, answer;
    struct client client;
    int status = EXIT_FAILED;

    buf_init(&path, 0);
    buf_init(&body, 0);
    buf_init(&answer, 0);
    put_path(o, verb, &path);
    what.path = buf_cstr(&path);
    if ((!verb->is_new && !verb->is_change) ||
        put_body(o, verb->is_new, &body) == OK) {
        what.body = buf_str(&body);
        if (client_open("hook", &o->client, &client) == OK) {
            if (client_send(&client, &what, &answer) == OK)
                status = print(o, &answer, verb->is_table);
            client_close(&client);
        }
    }
    buf_clear(&path);
    buf_clear(&body);
    buf_clear(&answer);
    return status;
}

static const char *fault_of(const struct options *o, const struct verb *verb)
{
    if (o->org == NULL)
        return "--org is missing";
    if (o->is_akinon &&
        (o->project == NULL || o->stack != NULL || o->environment != NULL))
        return "--akinon goes with --org and --project, which are ids";
    if (!o->is_akinon && o->project != NULL &&
        (o->stack != NULL) == (o->environment != NULL))
        return "--project goes with --stack or --environment";
    if (o->project == NULL && (o->stack != NULL || o->environment != NULL))
        return "--project is missing";
    if (verb->wants_hook && o->hook == NULL)
        return "--hook is missing";
    return NULL;
}

static void list_options(struct option *all)
{
    size_t n = 0;

    memcpy(all, places, sizeof(places));
    n = N_PLACES;
    for (size_t i = 0; i < N_FIELDS; i++) {
        all[n++] = (struct option){ fields[i].option, required_argument, NULL,
                                    (int)i };
    }
    all[n] = (struct option){ NULL, 0, NULL, 0 };
}

int command_hook(const struct command *command, int argc, char **argv)
{
    struct options o = { .command = command };
    struct option options[N_PLACES + FIELDS_MAX + 1];
    const char *fault;
    size_t verb = 0;
    int option;

    if (argc < 2)
        return command_misused(command, "say what to do");
    while (verb < N_VERBS && strcmp(argv[1], verbs[verb].name) != 0)
        verb++;
    if (verb == N_VERBS)
        return command_misused(command, "there is nothing like %s", argv[1]);
    list_options(options);
    argc--;
    argv++;
    while ((option = command_option(argc, argv, options)) != -1) {
        if (option == '?' || option == ':') {
            return command_misused(command, "%s is not right here",
                                   argv[optind - 1]);
        }
        take_option(&o, option);
    }
    if (optind < argc)
        return command_misused(command, "%s is not right here", argv[optind]);
    fault = fault_of(&o, &verbs[verb]);
    if (fault != NULL)
        return command_misused(command, "%s", fault);
    return run(&o, &verbs[verb]);
}
