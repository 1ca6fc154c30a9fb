// SPDX-License-Identifier: MIT
// replay.c — `posthorn replay`: sends many deliveries once more, and watches.
//
// The engine does the work: a command that stops watching does not stop the replay.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/attempt_table.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"

#define POLL_US         300000
#define COUNT_TIMEOUT_S 660L
#define RATE_MAX        1000000
#define RESTS                                                               \
    "it rests while its webhook is paused, or awaits permission: posthorn " \
    "hook status"

static void put_body(const struct args *args, uint64_t rate, struct buf *body)
{
    struct json_writer w = json_writer(body);

    json_open_object(&w, NULL);
    attempt_filter_put_members(args, &w);
    if (args_has(args, "dry-run"))
        json_put_bool(&w, "dryRun", true);
    if (args_has(args, "unmatched"))
        json_put_bool(&w, "unmatched", true);
    if (rate > 0)
        json_put_u64(&w, "ratePerSecond", rate);
    json_close(&w);
}

static enum err request_replay(const struct args *args, const struct buf *base,
                               const char *method, const char *id,
                               struct buf *response)
{
    struct client_call call = { .method = method,
                                .is_whole = strcmp(method, "DELETE") == 0 };
    struct buf path;
    enum err err;

    buf_init(&path, 0);
    buf_put_str(&path, buf_str(base));
    buf_puts(&path, "/replays");
    if (id != NULL)
        client_put_segment(&path, id);
    call.path = buf_cstr(&path);
    err = client_request(args, &call, response);
    buf_clear(&path);
    return err;
}

// --- one replay ---

static void print_replay(const struct json_value *r)
{
    struct str state = json_str(json_get(r, "state"));

    printf("%.*s: %s%.*s%s, %" PRId64 " of %" PRId64 " delivered",
           STR_ARG(json_str(json_get(r, "replayId"))),
           terminal_colour(stdout, terminal_state_colour(state)),
           STR_ARG(state), terminal_colour(stdout, PLAIN),
           json_int_or_zero(json_get(r, "delivered")),
           json_int_or_zero(json_get(r, "matched")));
    printf(", %" PRId64 " dead again, %" PRId64 " waiting, %" PRId64
           " left out\n",
           json_int_or_zero(json_get(r, "dead")),
           json_int_or_zero(json_get(r, "queued")),
           json_int_or_zero(json_get(r, "cancelled")));
    if (json_bool(json_get(r, "paused")))
        puts(RESTS);
}

// Watches a replay until it has ended. Returns the exit status.
static int watch(const struct args *args, const struct buf *base,
                 const char *id, uint64_t matched)
{
    struct progress progress;
    struct buf response;
    bool is_over = false;
    bool has_said = false;
    enum err err = OK;
    int status = EXIT_FAILED;

    buf_init(&response, 0);
    progress_begin(&progress, "replaying", "settled", matched);
    while (err == OK && !is_over && !terminal_is_interrupted()) {
        struct json *json;

        usleep(POLL_US);
        buf_reset(&response);
        err = request_replay(args, base, "GET", id, &response);
        if (err != OK || !client_read(args->command, &response, &json))
            break;
        if (json_bool(json_get(json_root(json), "paused")) && !has_said) {
            fprintf(stderr, "posthorn replay: " RESTS "\n");
            has_said = true;
        }
        is_over =
            !str_is(json_str(json_get(json_root(json), "state")), "running");
        progress_show(&progress, matched - (uint64_t)json_int_or_zero(json_get(
                                               json_root(json), "queued")));
        json_free(json);
    }
    if (terminal_is_interrupted()) {
        fprintf(stderr,
                "\nThe replay goes on. To end it: posthorn replay cancel %s\n",
                id);
        status = 0;
    } else if (is_over) {
        progress_end(&progress, matched);
        status = client_print(args, &response, print_replay);
    }
    buf_clear(&response);
    return status;
}

// Cancels a replay after Ctrl-C while its deliveries were counted: it shall not begin.
static int take_back(const struct args *args, const struct buf *base,
                     const char *id)
{
    struct buf response;
    enum err err;

    buf_init(&response, 0);
    err = request_replay(args, base, "DELETE", id, &response);
    buf_clear(&response);
    return command_failed(args->command, "interrupted; the replay %s %s", id,
                          err == OK ? "is cancelled" : "was not cancelled");
}

static int created(const struct args *args, const struct buf *base,
                   const struct buf *response)
{
    struct json *json;
    const struct json_value *r;
    uint64_t matched;
    char id[64];
    int status = 0;

    if (!client_read(args->command, response, &json))
        return EXIT_FAILED;
    r = json_root(json);
    matched = (uint64_t)json_int_or_zero(json_get(r, "matched"));
    snprintf(id, sizeof(id), "%.*s",
             STR_ARG(json_str(json_get(r, "replayId"))));
    if (id[0] != '\0' && terminal_is_interrupted()) {
        status = take_back(args, base, id);
    } else if (args_has(args, "json") &&
               (id[0] == '\0' || args_has(args, "no-wait"))) {
        printf("%.*s\n", STR_ARG(buf_str(response)));
    } else if (args_has(args, "dry-run")) {
        printf("%" PRIu64 " deliveries match; nothing was sent\n", matched);
    } else if (id[0] == '\0') {
        puts("No delivery matches; nothing was sent.");
    } else if (args_has(args, "no-wait")) {
        printf("%s: %" PRIu64 " deliveries\n", id, matched);
    } else {
        status = watch(args, base, id, matched);
    }
    json_free(json);
    return status;
}

static int create(const struct args *args, const struct buf *base,
                  uint64_t rate)
{
    struct client_call call = { .method = "POST",
                                .timeout_s = COUNT_TIMEOUT_S,
                                .is_whole = true };
    struct buf path, body, response;
    int status = EXIT_FAILED;

    buf_init(&path, 0);
    buf_init(&body, 0);
    buf_init(&response, 0);
    buf_put_str(&path, buf_str(base));
    buf_puts(&path, "/replay");
    put_body(args, rate, &body);
    call.path = buf_cstr(&path);
    call.body = buf_str(&body);
    terminal_catch_interrupts();
    if (client_request(args, &call, &response) == OK)
        status = created(args, base, &response);
    buf_clear(&response);
    buf_clear(&body);
    buf_clear(&path);
    return status;
}

// --- the list of replays ---

static void print_list(const struct json_value *list)
{
    static const char *const titles[] = { "REPLAY", "STATE",      "BEGUN (UTC)",
                                          "HOOK",   "DELIVERIES", "DELIVERED",
                                          "DEAD" };
    struct json_iter it = json_iter(list);
    const struct json_value *row;
    struct table t;
    struct buf text;

    table_init(&t, titles, 7, "30");
    buf_init(&text, 0);
    while ((row = json_next(&it, NULL)) != NULL) {
        const struct json_value *r = json_get(row, "replay");
        struct str state = json_str(json_get(r, "state"));

        buf_reset(&text);
        terminal_put_time(&text,
                          json_int_or_zero(json_get(r, "createdAt")) / 1000);
        table_put(&t, json_str(json_get(r, "replayId")), PLAIN);
        table_put(&t, state, terminal_state_colour(state));
        table_put(&t, buf_str(&text), PLAIN);
        table_put(&t, json_str(json_get(row, "hookName")), PLAIN);
        table_printf(&t, "%" PRId64, json_int_or_zero(json_get(r, "matched")));
        table_printf(&t, "%" PRId64,
                     json_int_or_zero(json_get(r, "delivered")));
        table_printf(&t, "%" PRId64, json_int_or_zero(json_get(r, "dead")));
    }
    table_end(&t, stdout);
    buf_clear(&text);
}

static int list(const struct args *args, const struct buf *base)
{
    struct buf response;
    int status = EXIT_FAILED;

    buf_init(&response, 0);
    if (request_replay(args, base, "GET", NULL, &response) == OK)
        status = client_print(args, &response, print_list);
    buf_clear(&response);
    return status;
}

static int with_id(const struct args *args, const struct buf *base)
{
    const char *verb = args->operands[0];
    const char *id = args->operands[1];
    struct buf response;
    int status = EXIT_FAILED;

    buf_init(&response, 0);
    if (strcmp(verb, "watch") == 0) {
        struct json *json;

        terminal_catch_interrupts();
        if (request_replay(args, base, "GET", id, &response) == OK &&
            client_read(args->command, &response, &json)) {
            status = watch(args, base, id,
                           (uint64_t)json_int_or_zero(
                               json_get(json_root(json), "matched")));
            json_free(json);
        }
    } else if (request_replay(args, base,
                              strcmp(verb, "cancel") == 0 ? "DELETE" : "GET",
                              id, &response) == OK) {
        status = client_print(args, &response, print_replay);
    }
    buf_clear(&response);
    return status;
}

int command_replay(const struct args *args)
{
    const char *verb = args->n_operands > 0 ? args->operands[0] : "start";
    bool wants_id = strcmp(verb, "start") != 0 && strcmp(verb, "list") != 0;
    struct scope_options scope;
    struct buf base;
    uint64_t rate;
    int status;

    if (args->n_operands != (wants_id ? 2 : args->n_operands > 0)) {
        return command_misused(args->command,
                               wants_id ? "the replay's id is missing"
                                        : "there are too many arguments");
    }
    if (!scope_read_owner(args, false, &scope) ||
        !attempt_filter_read_times(args) ||
        !args_number(args, "rate", 1, RATE_MAX, 0, &rate))
        return EXIT_USAGE;
    if (!exists_scope(args, &scope))
        return EXIT_FAILED;
    buf_init(&base, 0);
    scope_put_owner_path(&scope, &base);
    if (wants_id) {
        status = with_id(args, &base);
    } else if (strcmp(verb, "list") == 0) {
        status = list(args, &base);
    } else {
        status = create(args, &base, rate);
    }
    buf_clear(&base);
    return status;
}
