// cli_token.c — `posthorn token`: makes, lists and revokes tokens.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/client.h"
#include "api/commands.h"
#include "common/json.h"

struct options {
    struct client_options client;
    const char *org;
    const char *scopes;
    const char *name;
    const char *id; // what follows the options
    bool is_json;
};

static const struct option long_options[] = {
    { "org", required_argument, NULL, 'o' },
    { "scopes", required_argument, NULL, 's' },
    { "name", required_argument, NULL, 'n' },
    { "api", required_argument, NULL, 'a' },
    { "token", required_argument, NULL, 't' },
    { "data-dir", required_argument, NULL, 'd' },
    { "json", no_argument, NULL, 'j' },
    { NULL, 0, NULL, 0 },
};

static void take_option(struct options *o, int option)
{
    const struct {
        int option;
        const char **text;
    } texts[] = {
        { 'o', &o->org },          { 's', &o->scopes },
        { 'n', &o->name },         { 'a', &o->client.api },
        { 't', &o->client.token }, { 'd', &o->client.data_dir },
    };

    if (option == 'j')
        o->is_json = true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].option == option)
            *texts[i].text = optarg;
    }
}

// --- output ---

static void put_time(const struct json_value *v, const char *otherwise)
{
    int64_t seconds;
    time_t at;
    struct tm tm;
    char text[64];

    if (json_int(v, &seconds) != OK) {
        printf("%-20s  ", otherwise);
        return;
    }
    at = (time_t)seconds;
    if (gmtime_r(&at, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        text[0] = '\0';
    printf("%-20s  ", text);
}

static void put_row(const struct json_value *t)
{
    struct json_iter it = json_iter(json_get(t, "scopes"));
    const struct json_value *scope;
    char scopes[64] = "";
    size_t n = 0;

    while ((scope = json_next(&it, NULL)) != NULL && n < sizeof(scopes)) {
        n += (size_t)snprintf(scopes + n, sizeof(scopes) - n, "%s%.*s",
                              n > 0 ? "," : "", STR_ARG(json_str(scope)));
    }
    printf("%-16.*s  %-18s  ", STR_ARG(json_str(json_get(t, "id"))), scopes);
    put_time(json_get(t, "createdAt"), "");
    put_time(json_get(t, "expiresAt"), "never");
    printf("%.*s\n", STR_ARG(json_str(json_get(t, "name"))));
}

static void print_list(const struct json_value *list)
{
    struct json_iter it = json_iter(list);
    const struct json_value *t;

    printf("%-16s  %-18s  %-20s  %-20s  %s\n", "ID", "SCOPES", "CREATED",
           "EXPIRES", "NAME");
    while ((t = json_next(&it, NULL)) != NULL)
        put_row(t);
}

static void print_created(const struct json_value *t)
{
    printf("%.*s\n", STR_ARG(json_str(json_get(t, "token"))));
    fprintf(stderr,
            "This is the token %.*s. It is shown this once and stored "
            "nowhere.\n",
            STR_ARG(json_str(json_get(t, "id"))));
}

static int print(const struct options *o, const struct buf *answer,
                 void (*people)(const struct json_value *))
{
    struct json_limits limits = json_default_limits;
    struct json *json;

    if (o->is_json) {
        printf("%.*s\n", STR_ARG(buf_str(answer)));
        return 0;
    }
    limits.max_keys = SIZE_MAX;
    if (json_parse(buf_str(answer), &limits, &json, NULL) != OK) {
        fprintf(stderr, "posthorn token: the answer is not understood\n");
        return EXIT_FAILED;
    }
    people(json_root(json));
    json_free(json);
    return 0;
}

// --- verbs ---

static void put_path(const struct options *o, struct buf *path)
{
    buf_puts(path, "/api/orgs");
    client_put_segment(path, o->org);
    buf_puts(path, "/tokens");
}

// "ingest,read" as a JSON array.
static void put_scopes(const char *scopes, struct buf *out)
{
    const char *separator = "[";

    while (*scopes != '\0') {
        struct str scope = { scopes, strcspn(scopes, ", ") };

        scopes += scope.n_bytes;
        scopes += strspn(scopes, ", ");
        buf_puts(out, separator);
        buf_put_json(out, scope);
        separator = ",";
    }
    buf_puts(out, *separator == '[' ? "[]" : "]");
}

static int call(const struct options *o, const struct client_call *what,
                void (*people)(const struct json_value *))
{
    struct client client;
    struct buf answer;
    int status = EXIT_FAILED;

    if (client_open("token", &o->client, &client) != OK)
        return EXIT_FAILED;
    buf_init(&answer, 0);
    if (client_send(&client, what, &answer) == OK)
        status = people != NULL ? print(o, &answer, people) : 0;
    buf_clear(&answer);
    client_close(&client);
    return status;
}

static int create(const struct options *o)
{
    struct client_call what = { .command = "token", .method = "POST" };
    struct buf path, body;
    int status;

    buf_init(&path, 0);
    buf_init(&body, 0);
    put_path(o, &path);
    buf_puts(&body, "{\"scopes\":");
    put_scopes(o->scopes, &body);
    if (o->name != NULL) {
        buf_puts(&body, ",\"name\":");
        buf_put_json(&body, str_of(o->name));
    }
    buf_putc(&body, '}');
    what.path = buf_cstr(&path);
    what.body = buf_str(&body);
    status = call(o, &what, print_created);
    buf_clear(&body);
    buf_clear(&path);
    return status;
}

static int list(const struct options *o)
{
    struct client_call what = { .command = "token", .method = "GET" };
    struct buf path;
    int status;

    what.body = STR_EMPTY;
    buf_init(&path, 0);
    put_path(o, &path);
    what.path = buf_cstr(&path);
    status = call(o, &what, print_list);
    buf_clear(&path);
    return status;
}

static int revoke(const struct options *o)
{
    struct client_call what = { .command = "token", .method = "DELETE" };
    struct buf path;
    int status;

    what.body = STR_EMPTY;
    buf_init(&path, 0);
    put_path(o, &path);
    client_put_segment(&path, o->id);
    what.path = buf_cstr(&path);
    status = call(o, &what, NULL);
    buf_clear(&path);
    return status;
}

static const struct {
    const char *name;
    int (*run)(const struct options *o);
    bool wants_scopes, wants_id;
} verbs[] = {
    { "create", create, true, false },
    { "list", list, false, false },
    { "revoke", revoke, false, true },
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

int command_token(const struct command *command, int argc, char **argv)
{
    struct options o = { .org = NULL };
    size_t verb = 0;
    int option;

    if (argc < 2)
        return command_misused(command, "say create, list or revoke");
    while (verb < N_VERBS && strcmp(argv[1], verbs[verb].name) != 0)
        verb++;
    if (verb == N_VERBS)
        return command_misused(command, "there is nothing like %s", argv[1]);
    argc--;
    argv++;
    while ((option = command_option(argc, argv, long_options)) != -1) {
        if (option == '?' || option == ':') {
            return command_misused(command, "%s is not right here",
                                   argv[optind - 1]);
        }
        take_option(&o, option);
    }
    if (o.org == NULL)
        return command_misused(command, "--org is missing");
    if (verbs[verb].wants_scopes && o.scopes == NULL)
        return command_misused(command, "--scopes is missing");
    if (argc - optind != (verbs[verb].wants_id ? 1 : 0)) {
        return command_misused(command, verbs[verb].wants_id
                                            ? "the token's id is missing"
                                            : "there is a word too many");
    }
    o.id = argv[optind];
    return verbs[verb].run(&o);
}
