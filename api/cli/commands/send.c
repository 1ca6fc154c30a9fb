// SPDX-License-Identifier: MIT
// send.c — `posthorn send`: posts events.
//
// Posts one event from options, or many from a file of JSON lines, in batches that are
// stored whole or not at all. A send that is stopped prints how many lines it has
// posted, so that another one can continue after them.

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/terminal.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

#define BATCH_EVENTS 1000
#define BATCH_BYTES  ((size_t)4 << 20)

static void put_path(const struct args *args, struct buf *path)
{
    if (args_has(args, "akinon")) {
        buf_puts(path, "/organizations");
        client_put_segment(path, args_text(args, "org"));
        buf_puts(path, "/projects");
        client_put_segment(path, args_text(args, "project"));
    } else {
        buf_puts(path, "/api/orgs");
        client_put_segment(path, args_text(args, "org"));
    }
    buf_puts(path, "/events");
}

// --- one event ---

static bool put_event(const struct args *args, struct buf *body)
{
    bool is_akinon = args_has(args, "akinon");
    const char *payload = args_text(args, "payload");
    const char *file = args_text(args, "payload-file");
    const char *id = args_text(args, "id");
    const char *data_name = is_akinon ? "data" : "payload";
    struct json_writer w = json_writer(body);
    bool is_good = true;

    json_open_object(&w, NULL);
    json_put_text(&w, is_akinon ? "event" : "kind", args_text(args, "kind"));
    if (id != NULL)
        json_put_text(&w, "id", id);
    if (file != NULL) {
        is_good =
            client_read_file(args->command, file, json_open_raw(&w, data_name));
    } else {
        json_put_raw(&w, data_name, str_of(payload != NULL ? payload : "{}"));
    }
    json_close(&w);
    return is_good;
}

static void print_id(const struct json_value *response)
{
    printf("%.*s\n", STR_ARG(json_str(json_get(response, "id"))));
}

static uint64_t count_matches(const struct json_value *hooks)
{
    struct json_iter it = json_iter(hooks);
    const struct json_value *hook;
    uint64_t n = 0;

    while ((hook = json_next(&it, NULL)) != NULL)
        n += json_bool(json_get(hook, "matches"));
    return n;
}

// Asks how many webhooks get the event; the engine answers page by page. False: it
// gives no answer.
static bool ask_matches(const struct args *args, const char *base, uint64_t *n)
{
    struct client_pages pages = { .args = args, .is_quiet = client_is_refusal };
    struct json *json;
    struct buf path;
    bool is_good;

    *n = 0;
    buf_init(&path, 0);
    client_pages_init(&pages);
    do {
        buf_reset(&path);
        buf_printf(&path, "%s?limit=1000", base);
        is_good = client_pages_read(&pages, &path) &&
                  client_read(args->command, &pages.answer, &json);
        if (is_good) {
            *n += count_matches(json_get(json_root(json), "hooks"));
            json_free(json);
        }
    } while (is_good && pages.next.n_bytes > 0 && !terminal_is_interrupted());
    client_pages_clear(&pages);
    buf_clear(&path);
    return is_good;
}

// Prints to stderr how many webhooks match: stdout has the id alone, for scripts.
static void say_matches(const struct args *args, const struct client_call *sent,
                        const struct buf *response)
{
    struct json *json;
    struct buf path;
    uint64_t n;

    if (!client_read(args->command, response, &json))
        return;
    buf_init(&path, 0);
    buf_printf(&path, "%s/%.*s", sent->path,
               STR_ARG(json_str(json_get(json_root(json), "id"))));
    json_free(json);
    if (ask_matches(args, buf_cstr(&path), &n)) {
        fprintf(stderr, "%" PRIu64 " webhook%s will get it%s\n", n,
                n == 1 ? "" : "s",
                n == 0 ? "; `posthorn explain` says why" : "");
    }
    buf_clear(&path);
}

static int send_one(const struct args *args, struct client_call *call)
{
    struct buf body, response;
    int status = EXIT_FAILED;

    buf_init(&body, 0);
    buf_init(&response, 0);
    if (put_event(args, &body)) {
        call->body = buf_str(&body);
        if (client_request(args, call, &response) == OK)
            status = client_print(args, &response, print_id);
        if (status == 0 && !args_has(args, "json"))
            say_matches(args, call, &response);
    }
    buf_clear(&response);
    buf_clear(&body);
    return status;
}

// --- many events ---

struct sending {
    const struct args *args;
    struct client_call *call;
    struct buf batch;
    size_t n_batch;
    uint64_t n_sent, n_bytes;
    struct progress progress;
};

static bool flush(struct sending *s)
{
    struct buf response;
    enum err err;

    if (s->n_batch == 0)
        return true;
    buf_init(&response, 0);
    s->call->body = buf_str(&s->batch);
    err = client_request(s->args, s->call, &response);
    buf_clear(&response);
    if (err != OK)
        return false;
    s->n_sent += s->n_batch;
    s->n_bytes += s->batch.n_bytes;
    s->n_batch = 0;
    buf_reset(&s->batch);
    progress_show(&s->progress, s->n_bytes);
    return true;
}

static bool send_lines(struct sending *s, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool is_good = true;

    while (is_good && !terminal_is_interrupted() &&
           (n = getline(&line, &room, file)) > 0) {
        buf_put(&s->batch, line, (size_t)n);
        if (line[n - 1] != '\n')
            buf_putc(&s->batch, '\n');
        s->n_batch += n > 1;
        if (s->n_batch == BATCH_EVENTS || s->batch.n_bytes >= BATCH_BYTES)
            is_good = flush(s);
    }
    free(line);
    return is_good && !terminal_is_interrupted() && flush(s);
}

static int send_many(const struct args *args, struct client_call *call)
{
    const char *path = args_text(args, "file");
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct sending s = { .args = args, .call = call };
    struct stat st;
    bool is_good;

    if (file == NULL) {
        return command_failed(args->command, "%s cannot be read: %s", path,
                              strerror(errno));
    }
    terminal_catch_interrupts();
    buf_init(&s.batch, 0);
    call->content_type = "application/x-ndjson";
    progress_begin(&s.progress, "sending", "bytes",
                   fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode)
                       ? (uint64_t)st.st_size
                       : 0);
    is_good = send_lines(&s, file);
    progress_end(&s.progress, s.n_bytes);
    if (args_has(args, "json")) {
        terminal_print_counts(&(struct named_count){ "accepted", s.n_sent }, 1);
    } else {
        printf("%" PRIu64 " events accepted%s\n", s.n_sent,
               is_good ? "" : "; those after them were not posted");
    }
    buf_clear(&s.batch);
    if (file != stdin)
        fclose(file);
    return is_good ? 0 : EXIT_FAILED;
}

int command_send(const struct args *args)
{
    struct client_call call = { .method = "POST",
                                .is_intake = true,
                                .is_whole = true };
    struct buf path;
    int status;

    if (args_text(args, "org") == NULL)
        return command_misused(args->command, "--org is missing");
    if (args_has(args, "akinon") != args_has(args, "project"))
        return command_misused(args->command, "--akinon needs --project");
    if (args_has(args, "kind") == args_has(args, "file"))
        return command_misused(args->command, "give --kind or --file");
    if (!exists_org(args))
        return EXIT_FAILED;
    buf_init(&path, 0);
    put_path(args, &path);
    call.path = buf_cstr(&path);
    status =
        args_has(args, "file") ? send_many(args, &call) : send_one(args, &call);
    buf_clear(&path);
    return status;
}
