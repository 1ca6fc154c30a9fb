// SPDX-License-Identifier: MIT
// events.c — `posthorn events`: what was accepted, and how many webhooks wanted it; or
// erases the payload of one event.

#include <stdio.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/attempt_table.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/row_pages.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"
#include "api/cli/tenants/payload_erasure.h"

static void put_matched(struct table *t, const struct json_value *matched)
{
    if (json_is(matched, JSON_NULL)) {
        table_put(t, STR("-"), DIM);
    } else if (json_int_or_zero(matched) == 0) {
        table_put(t, STR("0"), YELLOW);
    } else {
        table_put(t, json_number(matched), PLAIN);
    }
}

static void put_row(void *data, const struct json_value *row)
{
    static const char *const names[] = { "projectName", "stackName",
                                         "envName" };
    struct table *t = data;
    struct buf text;

    buf_init(&text, 0);
    terminal_put_time(&text,
                      json_int_or_zero(json_get(row, "acceptedAt")) / 1000);
    table_put(t, buf_str(&text), PLAIN);
    put_matched(t, json_get(row, "matched"));
    table_put(t, json_str(json_get(row, "id")), PLAIN);
    table_put(t, json_str(json_get(row, "kind")), PLAIN);
    buf_reset(&text);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str name = json_str(json_get(row, names[i]));

        if (name.n_bytes > 0 && text.n_bytes > 0)
            buf_putc(&text, '/');
        buf_put_str(&text, name);
    }
    table_put(t, buf_str(&text), PLAIN);
    buf_clear(&text);
}

static void put_query(const struct args *args, struct buf *path)
{
    attempt_filter_put_query(args, path);
    if (args_has(args, "unmatched"))
        buf_puts(path, "&unmatched=true");
}

static int list(const struct args *args)
{
    static const char *const titles[] = { "ACCEPTED (UTC)", "MATCHED", "ID",
                                          "KIND", "PLACE" };
    struct table table = { .titles = NULL };
    struct buf path;
    struct row_pages pages = { .args = args,
                               .path = &path,
                               .put_query = put_query,
                               .put_row = put_row,
                               .data = &table };
    struct scope_options scope;
    bool is_good;

    if (!scope_read_place(args, &scope) ||
        !args_number(args, "limit", 1, 1000000, 100, &pages.n_left) ||
        !attempt_filter_read_times(args))
        return EXIT_USAGE;
    buf_init(&path, 0);
    scope_put_place_path(&scope, &path);
    buf_puts(&path, "/events");
    if (!args_has(args, "json"))
        table_init(&table, titles, sizeof(titles) / sizeof(titles[0]), "43");
    is_good = row_pages_show(&pages);
    if (!args_has(args, "json")) {
        table_end(&table, stdout);
        if (is_good && pages.n_shown == 0)
            fputs("There are none.\n", stderr);
    }
    buf_clear(&path);
    return is_good ? 0 : EXIT_FAILED;
}

int command_events(const struct args *args)
{
    bool erases =
        args->n_operands > 0 && strcmp(args->operands[0], "erase-payload") == 0;

    if (erases && args->n_operands < 2)
        return command_misused(args->command, "the event's id is missing");
    if (erases)
        return cli_erase_payload(args, args->operands[1]);
    if (args->n_operands > 1)
        return command_misused(args->command, "there are too many arguments");
    return list(args);
}
