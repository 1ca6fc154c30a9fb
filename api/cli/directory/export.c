// SPDX-License-Identifier: MIT
// export.c — `posthorn export` and `posthorn import`: webhooks as JSON lines.
//
// Each line has the path where the webhook is made and the body that is posted there:
//   {"path":"/api/orgs/acme/hooks","hook":{…}}
// Export reads the data directory; import is a client of the API.
//
// If it fails, or is interrupted: an import that cannot do everything undoes its
// changes.

#include "api/cli/directory/export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/locate.h"
#include "api/cli/core/output.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"
#include "api/json/headers_json.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "common/encoding/json_writer.h"
#include "common/files/keyring.h"
#include "queue/queue.h"

// --- export ---

struct exporting {
    const char *org; // NULL: all
    bool with_secrets;
    FILE *out;
    uint8_t ciphertext_key[HOOK_KEY_BYTES];
    uint64_t n_hooks, n_secrets;
};

static void put_segment(struct buf *path, struct str segment)
{
    char *text = xstrndup(segment.at, segment.n_bytes);

    client_put_segment(path, text);
    free(text);
}

static void put_path(const struct hook_scope *scope, struct buf *path)
{
    static const char *const beginnings[] = {
        [LEVEL_PROJECT] = "/organizations",
        [LEVEL_ORGANIZATION] = "/api/orgs",
        [LEVEL_STACK] = "/api/stacks",
        [LEVEL_ENVIRONMENT] = "/api/esc/environments",
    };
    bool is_akinon = scope->level == LEVEL_PROJECT;

    buf_puts(path, beginnings[scope->level]);
    put_segment(path, scope->org);
    buf_puts(path, is_akinon ? "/projects" : "");
    if (scope->project.n_bytes > 0)
        put_segment(path, scope->project);
    if (scope->target.n_bytes > 0)
        put_segment(path, scope->target);
    buf_puts(path, is_akinon ? "/settings/webhooks" : "/hooks");
}

static bool put_hook(void *data, const struct hook *hook)
{
    struct exporting *x = data;
    const struct hook_showing to = { .is_masked = !x->with_secrets,
                                     .ciphertext_key = x->ciphertext_key,
                                     .has_keys = x->with_secrets };
    bool is_akinon = hook->scope.dialect == DIALECT_AKINON;
    struct buf line;
    struct json_writer w = json_writer(&line);

    if (hook->name.n_bytes == 0 || // the trace of a deleted hook
        (x->org != NULL && !str_is(hook->scope.org, x->org)))
        return !terminal_is_interrupted();
    buf_init(&line, 0);
    json_open_object(&w, NULL);
    put_path(&hook->scope, json_open_text(&w, "path"));
    json_close_text(&w);
    json_open_object(&w, "hook");
    (is_akinon ? akinon_dialect : pulumi_dialect).print(&to, hook, &w);
    x->n_hooks++;
    x->n_secrets += hook->secret.n_bytes + hook->client_key.n_bytes +
                            hook->sign_key.n_bytes >
                        0 ||
                    headers_have_secrets(hook);
    if (x->with_secrets) {
        json_put_given(&w, "secret", hook->secret);
        // The certificate is not secret, but an import refuses it without its key, so
        // it is exported only together with the key.
        json_put_given(&w, "clientCertificate", hook->client_cert);
        json_put_given(&w, "clientKey", hook->client_key);
    }
    json_close(&w);
    json_close(&w);
    buf_putc(&line, '\n');
    fwrite(line.at, 1, line.n_bytes, x->out);
    buf_clear(&line);
    return !terminal_is_interrupted() && !ferror(x->out);
}

static int export(const struct args *args, const struct config *config,
                  const char *data_dir, struct exporting *x)
{
    struct queue_config qc = { .data_dir = data_dir,
                               .max_bytes = config->max_queue_bytes };
    char *path = keyring_path(config->secret_key_file, data_dir);
    static struct hook_store *hooks; // until the process ends: queue.h says why
    bool has_none = false;           // of that organization
    struct buf why;
    uint64_t last;
    enum err err;

    buf_init(&why, 0);
    err = keyring_read(path, &qc.keys, &why);
    free(path);
    if (err != OK) {
        command_failed(args->command, "%s", buf_cstr(&why));
        buf_clear(&why);
        return EXIT_FAILED;
    }
    err = hook_store_view(&qc, &hooks);
    if (err == OK && x->org != NULL)
        has_none = !exists_stored(hooks, x->org);
    if (err == OK && !has_none) {
        hook_store_key(hooks, "secretCiphertext", x->ciphertext_key);
        err = hook_watch(hooks, 0, put_hook, x, &last);
    }
    keyring_free(qc.keys);
    buf_clear(&why);
    if (has_none) {
        return command_failed(args->command, "there is no organization %s",
                              x->org);
    }
    if (err != OK) {
        return command_failed(args->command, "%s cannot be read: %s", data_dir,
                              err_str(err));
    }
    if (terminal_is_interrupted())
        return command_failed(args->command, "interrupted");
    fprintf(stderr, "%" PRIu64 " webhooks", x->n_hooks);
    if (!x->with_secrets && x->n_secrets > 0) {
        fprintf(stderr,
                "; %" PRIu64 " have secrets, which --with-secrets writes",
                x->n_secrets);
    }
    fputc('\n', stderr);
    return 0;
}

static int export_to(const struct args *args, const struct config *config,
                     const char *data_dir, struct exporting *x)
{
    const char *path = args_text(args, "output");
    struct output o;
    int status;

    if (path == NULL) {
        x->out = stdout;
        return export(args, config, data_dir, x);
    }
    if (!output_begin(args, path, &o))
        return EXIT_FAILED;
    x->out = o.file;
    status = export(args, config, data_dir, x);
    return output_end(args, &o, status == 0) ? 0 : EXIT_FAILED;
}

int command_export(const struct args *args)
{
    struct exporting x = { .org = args_text(args, "org"),
                           .with_secrets = args_has(args, "with-secrets") };
    const char *data_dir = args_text(args, "data-dir");
    struct config config;
    int status = EXIT_FAILED;

    terminal_catch_interrupts();
    if (locate_settings(args, data_dir, &config)) {
        status = export_to(args, &config,
                           data_dir != NULL ? data_dir : config.data_dir, &x);
        config_clear(&config);
    }
    return status;
}

// --- lines ---

struct line {
    struct json *json; // owned
    char *path;        // owned
    struct buf hook;   // as it is posted
};

static void line_clear(struct line *l)
{
    json_free(l->json);
    free(l->path);
    buf_clear(&l->hook);
}

// Reads a line. ERR_INVALID: it is not a webhook, which is printed to stderr.
static enum err line_read(const struct args *args, uint64_t number,
                          struct str text, struct line *out)
{
    const struct json_value *root;
    struct str path;
    struct buf why;
    enum err err;

    *out = (struct line){ .json = NULL };
    buf_init(&out->hook, 0);
    buf_init(&why, 1024);
    err = json_parse(text, &json_no_limits, &out->json, &why);
    root = err == OK ? json_root(out->json) : NULL;
    path = json_str(json_get(root, "path"));
    if (err == OK &&
        (path.n_bytes == 0 || !json_is(json_get(root, "hook"), JSON_OBJECT))) {
        buf_puts(&why, "it must be {\"path\": …, \"hook\": {…}}");
        err = ERR_INVALID;
    }
    if (err == OK && !scope_is_hooks_path(path)) {
        scope_put_path_shapes(&why);
        err = ERR_INVALID;
    }
    if (err == OK)
        err = json_compact_member(text, "hook", &out->hook);
    if (err == OK) {
        out->path = xstrndup(path.at, path.n_bytes);
    } else {
        command_failed(args->command, "line %" PRIu64 ": %s", number,
                       buf_cstr(&why));
    }
    buf_clear(&why);
    return err;
}

typedef bool (*line_visit)(void *data, uint64_t number, const struct line *l);

// Visits each line that is not empty. False: a line is wrong, or a visit returned
// false.
static bool each_line(const struct args *args, FILE *file, line_visit visit,
                      void *data)
{
    char *text = NULL;
    size_t room = 0;
    uint64_t number = 0;
    bool is_good = true;
    ssize_t n;

    while (is_good && (n = getline(&text, &room, file)) > 0) {
        struct line l;

        number++;
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
            n--;
        if (n == 0)
            continue;
        is_good = line_read(args, number, (struct str){ text, (size_t)n },
                            &l) == OK &&
                  visit(data, number, &l);
        line_clear(&l);
    }
    free(text);
    return is_good;
}

static bool count_line(void *data, uint64_t number, const struct line *l)
{
    (void)number;
    (void)l;
    (*(uint64_t *)data)++;
    return true;
}

static FILE *open_file(const struct args *args, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

    if (file == NULL) {
        command_failed(args->command, "%s cannot be read: %s", path,
                       strerror(errno));
    }
    return file;
}

int export_verify(const struct args *args, const char *path)
{
    FILE *file = open_file(args, path);
    uint64_t n = 0;
    bool is_good;

    if (file == NULL)
        return EXIT_FAILED;
    is_good = each_line(args, file, count_line, &n);
    fclose(file);
    if (is_good)
        printf("%" PRIu64 " webhooks, no faults\n", n);
    return is_good ? 0 : EXIT_FAILED;
}

// --- import ---

enum conflict { CONFLICT_FAIL, CONFLICT_SKIP, CONFLICT_UPDATE };

// A change that was made, so that it can be undone.
struct done {
    struct done *next;
    char *path;   // of the webhook
    char *before; // its body before the change; NULL: it did not exist
};

struct importing {
    const struct args *args;
    enum conflict conflict;
    struct done *done;
    struct progress progress;
    uint64_t n_made, n_updated, n_skipped;
};

static bool is_conflict(long status)
{
    return status == 409;
}

// Makes a call that an interrupt does not end: else it would not be known whether the
// engine has done it.
static enum err call(const struct importing *im, const char *method,
                     const char *path, struct str body, struct buf *response)
{
    struct client_call what = {
        .method = method, .path = path, .body = body, .is_whole = true
    };

    if (strcmp(method, "POST") == 0 && im->conflict != CONFLICT_FAIL)
        what.is_quiet = is_conflict;
    return client_request(im->args, &what, response);
}

// NOLINTNEXTLINE(readability-non-const-parameter): it takes them
static void note(struct importing *im, char *path, char *before)
{
    struct done *d = xcalloc(1, sizeof(*d));

    *d = (struct done){ .next = im->done, .path = path, .before = before };
    im->done = d;
}

static char *path_of(const char *hooks, struct str name)
{
    struct buf path;
    char *text = xstrndup(name.at, name.n_bytes);
    char *out;

    buf_init(&path, 0);
    buf_puts(&path, hooks);
    client_put_segment(&path, text);
    out = xstrdup(buf_cstr(&path));
    free(text);
    buf_clear(&path);
    return out;
}

static struct str name_of(const struct json_value *hook)
{
    const struct json_value *name = json_get(hook, "_id");

    return json_str(name != NULL ? name : json_get(hook, "name"));
}

static bool note_made(struct importing *im, const struct line *l,
                      const struct buf *response)
{
    struct json *json;

    if (!client_read(im->args->command, response, &json))
        return false;
    note(im, path_of(l->path, name_of(json_root(json))), NULL);
    json_free(json);
    im->n_made++;
    return true;
}

// The body that restores a webhook. Members that are printed only when they are set,
// and were not set before, are removed by it.
static char *before_of(const struct buf *before)
{
    static const char *const members[] = {
        "retrySchedule", "timeout",  "maxInFlight",  "rateLimit",
        "ordered",       "orderKey", "paused",       "secretHeaders",
        "headerCase",    "pattern",  "traceContext", "signingKey",
    };
    struct json *json = NULL;
    struct buf out;
    struct json_writer w = json_writer(&out);
    char *text;

    buf_init(&out, 0);
    if (json_parse(buf_str(before), &json_no_limits, &json, NULL) == OK &&
        before->at[before->n_bytes - 1] == '}') {
        json_open_object(&w, NULL);
        json_put_contents(&w, buf_str(before));
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
            if (json_get(json_root(json), members[i]) == NULL)
                json_put_null(&w, members[i]);
        }
        if (json_get(json_root(json), "headers") == NULL)
            json_put_raw(&w, "headers", STR("{}"));
        json_close(&w);
    } else {
        buf_put_str(&out, buf_str(before));
    }
    json_free(json);
    text = xstrdup(buf_cstr(&out));
    buf_clear(&out);
    return text;
}

static bool update(struct importing *im, const struct line *l)
{
    char *path =
        path_of(l->path, name_of(json_get(json_root(l->json), "hook")));
    struct buf before, response;
    bool is_good;

    buf_init(&before, 0);
    buf_init(&response, 0);
    is_good = call(im, "GET", path, STR_EMPTY, &before) == OK &&
              call(im, "PATCH", path, buf_str(&l->hook), &response) == OK;
    if (is_good) {
        note(im, path, before_of(&before));
        im->n_updated++;
    } else {
        free(path);
    }
    buf_clear(&response);
    buf_clear(&before);
    return is_good;
}

static bool is_missing(long status)
{
    return status == 404;
}

// Asks whether the webhook exists, before it is made: a body that can only change an
// existing webhook, since it has the mask of a value, cannot make one. ERR_NOTFOUND: it
// does not exist.
static enum err find_hook(const struct importing *im, const struct line *l)
{
    struct str name = name_of(json_get(json_root(l->json), "hook"));
    struct client_call what = { .method = "GET",
                                .is_whole = true,
                                .is_quiet = is_missing };
    struct buf response;
    enum err err;
    char *path;

    if (name.n_bytes == 0)
        return ERR_NOTFOUND;
    path = path_of(l->path, name);
    what.path = path;
    buf_init(&response, 0);
    err = client_request(im->args, &what, &response);
    buf_clear(&response);
    free(path);
    return err;
}

static enum err make(const struct importing *im, const struct line *l,
                     struct buf *response)
{
    if (im->conflict != CONFLICT_FAIL) {
        enum err err = find_hook(im, l);

        if (err != ERR_NOTFOUND)
            return err == OK ? ERR_CONFLICT : err;
    }
    return call(im, "POST", l->path, buf_str(&l->hook), response);
}

static bool import_line(void *data, uint64_t number, const struct line *l)
{
    struct importing *im = data;
    struct buf response;
    bool is_good = false;
    enum err err;

    buf_init(&response, 0);
    err = make(im, l, &response);
    if (err == OK) {
        is_good = note_made(im, l, &response);
    } else if (err == ERR_CONFLICT && im->conflict == CONFLICT_SKIP) {
        im->n_skipped++;
        is_good = true;
    } else if (err == ERR_CONFLICT) {
        is_good = update(im, l);
    }
    if (!is_good)
        fprintf(stderr, "posthorn import: line %" PRIu64 " failed\n", number);
    buf_clear(&response);
    progress_show(&im->progress, number);
    return is_good && !terminal_is_interrupted();
}

// Undoes the changes, the last one first. Changes that cannot be undone are printed.
static void undo(struct importing *im, bool is_wanted)
{
    while (im->done != NULL) {
        struct done *d = im->done;
        struct buf response;
        enum err err = OK;

        im->done = d->next;
        buf_init(&response, 0);
        if (is_wanted && d->before == NULL) {
            err = call(im, "DELETE", d->path, STR_EMPTY, &response);
        } else if (is_wanted) {
            err = call(im, "PATCH", d->path, str_of(d->before), &response);
        }
        if (err != OK)
            command_failed(im->args->command, "not undone: %s", d->path);
        buf_clear(&response);
        free(d->path);
        free(d->before);
        free(d);
    }
}

static bool read_conflict(const struct args *args, enum conflict *out)
{
    static const char *const names[] = { "fail", "skip", "update" };
    const char *text = args_text(args, "on-conflict");

    *out = CONFLICT_FAIL;
    for (size_t i = 0; text != NULL && i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum conflict)i;
            return true;
        }
    }
    if (text != NULL) {
        command_misused(args->command,
                        "--on-conflict must be fail, skip or update");
    }
    return text == NULL;
}

static void print_counts(const struct importing *im)
{
    const struct named_count counts[] = { { "made", im->n_made },
                                          { "updated", im->n_updated },
                                          { "skipped", im->n_skipped } };

    if (args_has(im->args, "json")) {
        terminal_print_counts(counts, 3);
    } else {
        printf("%" PRIu64 " made, %" PRIu64 " updated, %" PRIu64 " skipped\n",
               im->n_made, im->n_updated, im->n_skipped);
    }
}

int command_import(const struct args *args)
{
    struct importing im = { .args = args };
    FILE *file;
    bool is_good;

    if (!read_conflict(args, &im.conflict))
        return EXIT_USAGE;
    file = open_file(args, args->operands[0]);
    if (file == NULL)
        return EXIT_FAILED;
    terminal_catch_interrupts();
    progress_begin(&im.progress, "importing", "webhooks", 0);
    is_good =
        each_line(args, file, import_line, &im) && !terminal_is_interrupted();
    if (file != stdin)
        fclose(file);
    undo(&im, !is_good);
    if (!is_good) {
        return command_failed(
            args->command, "%s; all is undone and nothing is imported",
            terminal_is_interrupted() ? "interrupted" : "not all can be made");
    }
    progress_end(&im.progress, im.n_made + im.n_updated + im.n_skipped);
    print_counts(&im);
    return 0;
}
