// SPDX-License-Identifier: MIT
// deliveries.c — `posthorn deliveries` and `posthorn redeliver`.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/attempt_table.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"

#define PAGE_ROWS 1000

struct showing {
    const struct args *args;
    struct table table;
    uint64_t n_left; // rows to show
    uint64_t n_shown;
};

static void put_rows(struct showing *s, const struct json_value *rows)
{
    struct json_iter it = json_iter(rows);
    const struct json_value *row;

    while (s->n_left > 0 && (row = json_next(&it, NULL)) != NULL) {
        s->n_left--;
        s->n_shown++;
        attempt_table_put(&s->table, row);
    }
}

// Prints a page of JSON without its brackets, so that all pages make one array.
static void print_page(struct showing *s, const struct buf *response,
                       size_t n_rows)
{
    if (response->n_bytes <= 2)
        return;
    printf("%s%.*s", s->n_shown > 0 ? "," : "", (int)(response->n_bytes - 2),
           response->at + 1);
    s->n_shown += n_rows;
    s->n_left -= n_rows < s->n_left ? n_rows : s->n_left;
}

static bool show_page(struct showing *s, const struct buf *response)
{
    struct json *json;

    if (!client_read(s->args->command, response, &json))
        return false;
    if (args_has(s->args, "json")) {
        print_page(s, response, json_size(json_root(json)));
    } else {
        put_rows(s, json_root(json));
    }
    json_free(json);
    return true;
}

static bool show_pages(struct showing *s, const struct buf *base)
{
    struct client_pages pages = { .args = s->args };
    struct buf path;
    bool is_good = true;

    buf_init(&path, 0);
    client_pages_init(&pages);
    do {
        buf_reset(&path);
        buf_printf(&path, "%.*s/deliveries?limit=%" PRIu64,
                   STR_ARG(buf_str(base)),
                   s->n_left < PAGE_ROWS ? s->n_left : PAGE_ROWS);
        attempt_filter_put_query(s->args, &path);
        is_good =
            client_pages_read(&pages, &path) && show_page(s, &pages.answer);
    } while (is_good && s->n_left > 0 && pages.next.n_bytes > 0);
    client_pages_clear(&pages);
    buf_clear(&path);
    return is_good;
}

int command_deliveries(const struct args *args)
{
    struct showing s = { .args = args };
    struct scope_options scope;
    struct buf base;
    bool is_good;

    if (!scope_read_owner(args, false, &scope) ||
        !args_number(args, "limit", 1, 1000000, 100, &s.n_left) ||
        !attempt_filter_read_times(args))
        return EXIT_USAGE;
    if (!exists_scope(args, &scope))
        return EXIT_FAILED;
    buf_init(&base, 0);
    scope_put_owner_path(&scope, &base);
    if (args_has(args, "json")) {
        putchar('[');
    } else {
        attempt_table_begin(&s.table, scope.hook == NULL);
    }
    is_good = show_pages(&s, &base);
    if (args_has(args, "json")) {
        puts("]");
    } else {
        table_end(&s.table, stdout);
    }
    if (is_good && s.n_shown == 0 && !args_has(args, "json"))
        fputs("There are none.\n", stderr);
    buf_clear(&base);
    return is_good ? 0 : EXIT_FAILED;
}

static void print_one(const struct json_value *attempt)
{
    struct table table;

    attempt_table_begin(&table, false);
    attempt_table_put(&table, attempt);
    table_end(&table, stdout);
}

int command_redeliver(const struct args *args)
{
    struct client_call call = { .method = "POST" };
    struct scope_options scope;
    struct buf path, response;
    int status = EXIT_FAILED;

    if (!scope_read(args, true, &scope))
        return EXIT_USAGE;
    buf_init(&path, 0);
    buf_init(&response, 0);
    scope_put_owner_path(&scope, &path);
    buf_puts(&path, "/deliveries");
    client_put_segment(&path, args->operands[0]);
    buf_puts(&path, "/redeliver");
    call.path = buf_cstr(&path);
    if (client_request(args, &call, &response) == OK)
        status = client_print(args, &response, print_one);
    buf_clear(&response);
    buf_clear(&path);
    return status;
}
