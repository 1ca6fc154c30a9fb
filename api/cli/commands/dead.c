// SPDX-License-Identifier: MIT
// dead.c — `posthorn dead discard`: clears dead letters.
//
// The engine answers every few seconds with its progress, and the command asks it to go
// on until all dead letters were checked. If the command is stopped, the rest is
// unchanged.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/attempt_table.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"

#define ANSWER_TIMEOUT_S 120L
#define LIMIT_MAX        1000000000

struct discarding {
    const struct args *args;
    struct buf path;
    struct buf body;
    struct buf token; // of the next call; empty: none
    uint64_t limit;   // 0: none
    int64_t matched, discarded, in_flight;
};

static void put_body(struct discarding *d)
{
    struct json_writer w = json_writer(&d->body);

    buf_reset(&d->body);
    json_open_object(&w, NULL);
    attempt_filter_put_members(d->args, &w);
    if (args_has(d->args, "dry-run"))
        json_put_bool(&w, "dryRun", true);
    if (d->limit > 0)
        json_put_u64(&w, "limit", d->limit - (uint64_t)d->matched);
    json_put_given(&w, "continuationToken", buf_str(&d->token));
    json_close(&w);
}

// Makes one call, and adds its result to the totals.
static enum err call_once(struct discarding *d)
{
    struct client_call call = { .method = "POST",
                                .path = buf_cstr(&d->path),
                                .timeout_s = ANSWER_TIMEOUT_S,
                                .is_whole = true };
    const struct json_value *r;
    struct json *json;
    struct buf response;
    enum err err;

    put_body(d);
    call.body = buf_str(&d->body);
    buf_init(&response, 0);
    err = client_request(d->args, &call, &response);
    if (err == OK && !client_read(d->args->command, &response, &json))
        err = ERR_INVALID;
    if (err == OK) {
        r = json_root(json);
        d->matched += json_int_or_zero(json_get(r, "matched"));
        d->discarded += json_int_or_zero(json_get(r, "discarded"));
        d->in_flight += json_int_or_zero(json_get(r, "inFlight"));
        buf_reset(&d->token);
        buf_put_str(&d->token, json_str(json_get(r, "continuationToken")));
        json_free(json);
    }
    buf_clear(&response);
    return err;
}

static void print(const struct discarding *d)
{
    const struct named_count counts[] = {
        { "matched", (uint64_t)d->matched },
        { "discarded", (uint64_t)d->discarded },
        { "inFlight", (uint64_t)d->in_flight }
    };
    bool is_dry = args_has(d->args, "dry-run");

    if (args_has(d->args, "json")) {
        terminal_print_counts(counts, 3);
    } else if (is_dry) {
        printf("%" PRId64 " dead letters match; nothing was discarded\n",
               d->matched);
    } else {
        printf("%" PRId64 " dead letters discarded", d->discarded);
        if (d->in_flight > 0) {
            printf("; %" PRId64 " left, which are just being sent again",
                   d->in_flight);
        }
        putchar('\n');
    }
}

static bool is_over(const struct discarding *d)
{
    return d->token.n_bytes == 0 ||
           (d->limit > 0 && (uint64_t)d->matched >= d->limit);
}

static int run(struct discarding *d)
{
    bool is_dry = args_has(d->args, "dry-run");
    struct progress progress;
    enum err err;

    terminal_catch_interrupts();
    progress_begin(&progress, is_dry ? "counting" : "discarding",
                   "dead letters", 0);
    do {
        err = call_once(d);
        progress_show(&progress, (uint64_t)d->matched);
    } while (err == OK && !is_over(d) && !terminal_is_interrupted());
    progress_end(&progress, (uint64_t)d->matched);
    if (err == OK && is_over(d)) {
        print(d);
        return 0;
    }
    if (err == OK) {
        return command_failed(d->args->command,
                              "interrupted; %" PRId64
                              " dead letters were discarded",
                              d->discarded);
    }
    if (d->discarded > 0) {
        fprintf(stderr, "before, %" PRId64 " dead letters were discarded\n",
                d->discarded);
    }
    return EXIT_FAILED;
}

int command_dead(const struct args *args)
{
    struct discarding d = { .args = args };
    struct scope_options scope;
    int status;

    if (!args_number(args, "limit", 1, LIMIT_MAX, 0, &d.limit) ||
        !scope_read_owner(args, true, &scope) ||
        !attempt_filter_read_times(args))
        return EXIT_USAGE;
    if (!exists_scope(args, &scope))
        return EXIT_FAILED;
    buf_init(&d.path, 0);
    buf_init(&d.body, 0);
    buf_init(&d.token, 0);
    scope_put_owner_path(&scope, &d.path);
    buf_puts(&d.path, "/dead/discard");
    status = run(&d);
    buf_clear(&d.token);
    buf_clear(&d.body);
    buf_clear(&d.path);
    return status;
}
