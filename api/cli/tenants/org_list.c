// SPDX-License-Identifier: MIT
// org_list.c — `posthorn org list`: the organizations of the engine.

#include "api/cli/tenants/org_list.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/terminal.h"

struct listing {
    const struct args *args;
    struct table table;
    size_t n_shown;
};

static int64_t number(const struct json_value *org, const char *name)
{
    int64_t n = 0;

    return json_int(json_get(org, name), &n) == OK ? n : 0;
}

static void put_row(struct table *t, const struct json_value *org)
{
    const struct json_value *kept = json_get(org, "retention");
    struct str delivered = json_str(json_get(kept, "delivered"));
    struct str dead = json_str(json_get(kept, "dead"));
    struct buf bytes;

    buf_init(&bytes, 0);
    terminal_put_bytes(&bytes, (uint64_t)number(org, "waitingBytes"));
    table_put(t, json_str(json_get(org, "organization")), PLAIN);
    table_printf(t, "%" PRId64, number(org, "webhooks"));
    table_printf(t, "%" PRId64, number(org, "waiting"));
    table_put(t, buf_str(&bytes), PLAIN);
    table_printf(t, "%" PRId64 "%s", number(org, "dead"),
                 json_bool(json_get(org, "moreDead")) ? " or more" : "");
    if (json_bool(json_get(kept, "own"))) {
        table_printf(t, "%.*s/%.*s", (int)delivered.n_bytes, delivered.at,
                     (int)dead.n_bytes, dead.at);
    } else {
        table_put(t, STR_EMPTY, PLAIN);
    }
    table_put(t, json_bool(json_get(org, "akinon")) ? STR("akinon") : STR_EMPTY,
              PLAIN);
    table_put(t,
              json_bool(json_get(org, "erasing")) ? STR("is being erased")
                                                  : STR_EMPTY,
              YELLOW);
    buf_clear(&bytes);
}

static bool show_page(struct listing *l, const struct buf *answer)
{
    struct json_iter it;
    const struct json_value *org;
    struct json *json;

    if (!client_read(l->args->command, answer, &json))
        return false;
    it = json_iter(json_root(json));
    if (!args_has(l->args, "json")) {
        while ((org = json_next(&it, NULL)) != NULL)
            put_row(&l->table, org);
    } else if (answer->n_bytes > 2) { // all pages make one array
        printf("%s%.*s", l->n_shown > 0 ? "," : "", (int)(answer->n_bytes - 2),
               answer->at + 1);
    }
    l->n_shown += json_size(json_root(json));
    json_free(json);
    return true;
}

static bool show_pages(struct listing *l)
{
    struct client_pages pages = { .args = l->args };
    struct buf path;
    bool is_good;

    buf_init(&path, 0);
    client_pages_init(&pages);
    do {
        buf_reset(&path);
        buf_puts(&path, "/api/orgs?limit=1000");
        is_good =
            client_pages_read(&pages, &path) && show_page(l, &pages.answer);
    } while (is_good && pages.next.n_bytes > 0);
    client_pages_clear(&pages);
    buf_clear(&path);
    return is_good;
}

int cli_org_list(const struct args *args)
{
    static const char *const titles[] = { "ORGANIZATION", "WEBHOOKS", "WAITING",
                                          "BYTES",        "DEAD",     "KEPT",
                                          "API",          "STATE" };
    struct listing l = { .args = args };
    bool is_json = args_has(args, "json");
    bool is_good;

    if (is_json) {
        putchar('[');
    } else {
        table_init(&l.table, titles, 8, "0");
    }
    is_good = show_pages(&l);
    if (is_json) {
        puts("]");
    } else {
        table_end(&l.table, stdout);
    }
    return is_good ? 0 : EXIT_FAILED;
}
