// SPDX-License-Identifier: MIT
// tail.c — `posthorn tail`: deliveries as they happen.
//
// It reads server-sent events. When the connection breaks, it connects again and
// continues after the last event that it has seen.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/attempt_table.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"
#include "common/base/mem.h"

#define AGAIN_AFTER_US 1000000

struct following {
    const struct args *args;
    struct buf line;
    struct buf last_id;
    struct buf data;
    bool is_gap;     // the event that is being read tells of a gap
    uint64_t n_left; // rows to show; 0: no end
    bool is_over;
    bool was_connected;
};

static void put_field(const struct json_value *v)
{
    fputs("  ", stdout);
    terminal_put(stdout, json_str(v));
}

static void print_row(const struct following *f)
{
    const struct json_value *a, *error;
    struct json *json;
    struct buf text;
    struct str state;
    int64_t seconds = 0, code = 0, took_us = 0;

    if (args_has(f->args, "json")) {
        printf("%.*s\n", STR_ARG(buf_str(&f->data)));
        fflush(stdout);
        return;
    }
    if (json_parse(buf_str(&f->data), &json_no_limits, &json, NULL) != OK)
        return;
    a = json_root(json);
    buf_init(&text, 0);
    state = json_str(json_get(a, "state"));
    error = json_get(a, "error");
    if (json_int(json_get(a, "timestamp"), &seconds) == OK)
        terminal_put_time(&text, seconds);
    if (json_int(json_get(a, "responseCode"), &code) != OK)
        code = 0;
    buf_printf(&text, "  %s%-9.*s%s  %3d  ",
               terminal_colour(stdout, terminal_state_colour(state)),
               STR_ARG(state), terminal_colour(stdout, PLAIN), (int)code);
    if (json_int(json_get(json_get(a, "timing"), "totalUs"), &took_us) == OK)
        terminal_put_duration(&text, took_us);
    fputs(buf_cstr(&text), stdout);
    put_field(json_get(a, "kind"));
    put_field(json_get(a, "hookName"));
    put_field(json_get(a, "id"));
    if (json_is(error, JSON_OBJECT)) {
        put_field(json_get(error, "message"));
    } else if (json_get(a, "reason") != NULL) {
        put_field(json_get(a, "reason"));
    }
    putchar('\n');
    fflush(stdout);
    buf_clear(&text);
    json_free(json);
}

static void end_event(struct following *f)
{
    if (f->is_gap) {
        fputs("posthorn tail: attempts may be missing here: retention removed "
              "what came before they could be shown\n",
              stderr);
    } else {
        print_row(f);
        if (f->n_left > 0 && --f->n_left == 0)
            f->is_over = true;
    }
    f->is_gap = false;
    buf_reset(&f->data);
}

static void take_line(struct following *f, struct str line)
{
    if (str_starts(line, STR("id: "))) {
        buf_reset(&f->last_id);
        buf_put(&f->last_id, line.at + 4, line.n_bytes - 4);
    } else if (str_is(line, "event: gap")) {
        f->is_gap = true;
    } else if (str_starts(line, STR("data: "))) {
        buf_reset(&f->data);
        buf_put(&f->data, line.at + 6, line.n_bytes - 6);
    } else if (line.n_bytes == 0 && f->data.n_bytes > 0) {
        end_event(f);
    }
}

static bool on_piece(void *data, struct str piece)
{
    struct following *f = data;
    const char *end;

    f->was_connected = true;
    buf_put_str(&f->line, piece);
    while (!f->is_over && f->line.n_bytes > 0 &&
           (end = memchr(f->line.at, '\n', f->line.n_bytes)) != NULL) {
        size_t n = (size_t)(end - f->line.at);

        take_line(f, (struct str){ f->line.at, n });
        buf_consume(&f->line, n + 1);
    }
    return !f->is_over && !terminal_is_interrupted();
}

static int follow(struct following *f, const char *path)
{
    enum err err;

    do {
        struct client_call call = {
            .method = "GET", .path = path, .on_piece = on_piece, .data = f
        };
        char *header = NULL;
        struct buf response;

        buf_init(&response, 0);
        buf_reset(&f->line);
        if (f->last_id.n_bytes > 0)
            header = xasprintf("Last-Event-ID: %s", buf_cstr(&f->last_id));
        call.header = header;
        err = client_request(f->args, &call, &response);
        free(header);
        buf_clear(&response);
        if (err == ERR_DENIED || (err != OK && !f->was_connected))
            break;
        if (!f->is_over && !terminal_is_interrupted())
            usleep(AGAIN_AFTER_US); // the engine may be starting again
    } while (!f->is_over && !terminal_is_interrupted());
    return f->is_over || terminal_is_interrupted() ? 0 : EXIT_FAILED;
}

int command_tail(const struct args *args)
{
    struct following f = { .args = args };
    struct scope_options scope;
    struct buf path;
    int status;

    if (!scope_read_owner(args, false, &scope) ||
        !args_number(args, "count", 1, UINT32_MAX, 0, &f.n_left) ||
        !attempt_filter_read_times(args))
        return EXIT_USAGE;
    if (!exists_scope(args, &scope))
        return EXIT_FAILED;
    buf_init(&path, 0);
    buf_init(&f.line, 0);
    buf_init(&f.last_id, 0);
    buf_init(&f.data, 0);
    scope_put_owner_path(&scope, &path);
    buf_puts(&path, "/tail");
    attempt_filter_put_query(args, &path);
    terminal_catch_interrupts();
    status = follow(&f, buf_cstr(&path));
    buf_clear(&f.data);
    buf_clear(&f.last_id);
    buf_clear(&f.line);
    buf_clear(&path);
    return status;
}
