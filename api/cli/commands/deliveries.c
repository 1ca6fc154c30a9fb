// SPDX-License-Identifier: MIT
// deliveries.c — `posthorn deliveries` and `posthorn redeliver`.

#include <stdio.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/attempt_table.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/row_pages.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"

static void put_row(void *data, const struct json_value *row)
{
    attempt_table_put(data, row);
}

int command_deliveries(const struct args *args)
{
    bool is_json = args_has(args, "json");
    struct table table = { .titles = NULL };
    struct buf path;
    struct row_pages pages = { .args = args,
                               .path = &path,
                               .put_query = attempt_filter_put_query,
                               .put_row = put_row,
                               .data = &table };
    struct scope_options scope;
    bool is_good;

    if (!scope_read_owner(args, false, &scope) ||
        !args_number(args, "limit", 1, 1000000, 100, &pages.n_left) ||
        !attempt_filter_read_times(args))
        return EXIT_USAGE;
    if (!exists_scope(args, &scope))
        return EXIT_FAILED;
    buf_init(&path, 0);
    scope_put_owner_path(&scope, &path);
    buf_puts(&path, "/deliveries");
    if (!is_json)
        attempt_table_begin(&table, scope.hook == NULL);
    is_good = row_pages_show(&pages);
    if (!is_json)
        table_end(&table, stdout);
    if (is_good && pages.n_shown == 0 && !is_json)
        fputs("There are none.\n", stderr);
    buf_clear(&path);
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
