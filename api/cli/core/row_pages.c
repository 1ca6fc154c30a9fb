// SPDX-License-Identifier: MIT
// row_pages.c — a list that comes in pages, shown as one.

#include "api/cli/core/row_pages.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/cli/core/api_client.h"

#define PAGE_ROWS 1000

static void put_rows(struct row_pages *r, const struct json_value *rows)
{
    struct json_iter it = json_iter(rows);
    const struct json_value *row;

    while (r->n_left > 0 && (row = json_next(&it, NULL)) != NULL) {
        r->n_left--;
        r->n_shown++;
        r->put_row(r->data, row);
    }
}

// Prints a page of JSON without its brackets, so that all pages make one array.
static void print_page(struct row_pages *r, const struct buf *response,
                       size_t n_rows)
{
    if (response->n_bytes <= 2)
        return;
    printf("%s%.*s", r->n_shown > 0 ? "," : "", (int)(response->n_bytes - 2),
           response->at + 1);
    r->n_shown += n_rows;
    r->n_left -= n_rows < r->n_left ? n_rows : r->n_left;
}

static bool show_page(struct row_pages *r, const struct buf *response)
{
    struct json *json;

    if (!client_read(r->args->command, response, &json))
        return false;
    if (args_has(r->args, "json")) {
        print_page(r, response, json_size(json_root(json)));
    } else {
        put_rows(r, json_root(json));
    }
    json_free(json);
    return true;
}

bool row_pages_show(struct row_pages *r)
{
    struct client_pages pages = { .args = r->args };
    struct buf path;
    bool is_good = true;

    if (args_has(r->args, "json"))
        putchar('[');
    buf_init(&path, 0);
    client_pages_init(&pages);
    do {
        buf_reset(&path);
        buf_printf(&path, "%.*s?limit=%" PRIu64, STR_ARG(buf_str(r->path)),
                   r->n_left < PAGE_ROWS ? r->n_left : PAGE_ROWS);
        r->put_query(r->args, &path);
        is_good =
            client_pages_read(&pages, &path) && show_page(r, &pages.answer);
    } while (is_good && r->n_left > 0 && pages.next.n_bytes > 0);
    client_pages_clear(&pages);
    buf_clear(&path);
    if (args_has(r->args, "json"))
        puts("]");
    return is_good;
}
