// SPDX-License-Identifier: MIT
// import.c — `posthorn import`: webhooks of a file (export_lines.h) are made by the API.
//
// If it fails, or is interrupted: an import that cannot do everything undoes its
// changes.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/terminal.h"
#include "api/cli/directory/export_lines.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/encoding/json_writer.h"
#include "common/model/signing_key.h"

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
        "retrySchedule", "timeout",    "maxInFlight",   "rateLimit",  "ordered",
        "orderKey",      "paused",     "secretHeaders", "headerCase", "pattern",
        "traceContext",  "signingKey", "handshake",
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
              call(im, "PATCH", path, buf_str(&l->body), &response) == OK;
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
    return call(im, "POST", l->path, buf_str(&l->body), response);
}

// --- keys of organizations ---

// What the keys of an organization, as the engine lists them, say of a key to be imported:
// OK, it has none; ERR_EXISTS, it signs with this one; ERR_CONFLICT, with another.
static enum err compare_key(const struct line *l, const struct json_value *list)
{
    const struct json_value *body =
        json_get(json_get(json_root(l->json), "signingKey"), "key");
    struct json_iter it = json_iter(list);
    const struct json_value *newest = json_next(&it, NULL);
    uint8_t pair[SIGNING_PAIR_BYTES];
    const char *why;
    struct buf public_key;
    enum err err = ERR_CONFLICT;

    if (newest == NULL)
        return OK;
    buf_init(&public_key, 0);
    if (signing_pair_read(json_str(body), pair, &why) == OK) {
        signing_pair_put_public(
            (struct str){ (const char *)pair, sizeof(pair) }, &public_key);
        if (str_eq(buf_str(&public_key),
                   json_str(json_get(newest, "publicKey"))))
            err = ERR_EXISTS;
    }
    crypto_wipe(pair, sizeof(pair));
    buf_clear(&public_key);
    return err;
}

// Imports the key of an organization. If the import fails, it stays: an organization's
// key cannot be removed.
static bool import_key(const struct importing *im, const struct line *l)
{
    struct json *json = NULL;
    struct buf response;
    enum err err;

    buf_init(&response, 0);
    err = call(im, "GET", l->path, STR_EMPTY, &response);
    if (err == OK && !client_read(im->args->command, &response, &json))
        err = ERR_INVALID;
    if (err == OK)
        err = compare_key(l, json_root(json));
    if (err == ERR_CONFLICT && im->conflict == CONFLICT_FAIL) {
        command_failed(im->args->command,
                       "the organization signs with another key already");
    } else if (err == OK ||
               (err == ERR_CONFLICT && im->conflict == CONFLICT_UPDATE)) {
        buf_reset(&response);
        err = call(im, "POST", l->path, buf_str(&l->body), &response);
    } else if (err == ERR_EXISTS || err == ERR_CONFLICT) {
        err = OK;
    }
    json_free(json);
    buf_clear(&response);
    return err == OK;
}

// --- lines ---

static bool import_hook(struct importing *im, const struct line *l)
{
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
    buf_clear(&response);
    return is_good;
}

static bool import_line(void *data, uint64_t number, const struct line *l)
{
    struct importing *im = data;
    bool is_good = l->is_key ? import_key(im, l) : import_hook(im, l);

    if (!is_good)
        fprintf(stderr, "posthorn import: line %" PRIu64 " failed\n", number);
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
    file = lines_open(args, args->operands[0]);
    if (file == NULL)
        return EXIT_FAILED;
    terminal_catch_interrupts();
    progress_begin(&im.progress, "importing", "webhooks", 0);
    is_good =
        lines_each(args, file, import_line, &im) && !terminal_is_interrupted();
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
