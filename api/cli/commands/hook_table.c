// SPDX-License-Identifier: MIT
// hook_table.c — `posthorn hook list --all`: the hooks of an organization over all its
// places.

#include "api/cli/commands/hook_table.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/terminal.h"

#define LEAST_COLUMNS 24 // for a place, a destination and a display name

struct listing {
    const struct args *args;
    struct table table;
    uint64_t n_shown;
};

bool hook_table_check(const struct args *args,
                      const struct scope_options *scope, bool is_list)
{
    bool is_all = args_has(args, "all");

    if (is_all && !is_list) {
        command_misused(args->command, "--all is an option of hook list");
        return false;
    }
    if (!is_all && (args_has(args, "state") || args_has(args, "text"))) {
        command_misused(args->command,
                        "--state and --text need hook list --all");
        return false;
    }
    if (is_all && (scope->project != NULL || scope->is_akinon)) {
        command_misused(args->command,
                        "--all is about all places of --org, without --project "
                        "and --akinon");
        return false;
    }
    return true;
}

// --- rows ---

static void put_place(struct table *t, const struct json_value *hook)
{
    struct str kind = json_str(json_get(hook, "place"));
    struct str name = json_str(
        json_get(hook, str_is(kind, "environment") ? "envName" : "stackName"));
    struct buf text;

    buf_init(&text, 0);
    buf_put_str(&text, kind);
    if (!str_is(kind, "organization")) {
        buf_putc(&text, ' ');
        buf_put_str(&text, json_str(json_get(hook, "projectName")));
    }
    if (name.n_bytes > 0) {
        buf_putc(&text, '/');
        buf_put_str(&text, name);
    }
    table_put(t, buf_str(&text), PLAIN);
    buf_clear(&text);
}

static enum colour colour_of(struct str state)
{
    static const struct {
        const char *state;
        enum colour colour;
    } colours[] = { { "ok", GREEN },        { "waiting", YELLOW },
                    { "paused", YELLOW },   { "probing", YELLOW },
                    { "inactive", DIM },    { "unknown", DIM },
                    { "blocked", YELLOW },  { "failing", RED },
                    { "open", RED },        { "disabled", RED },
                    { "awaiting", YELLOW }, { "refused", RED } };

    for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
        if (str_is(state, colours[i].state))
            return colours[i].colour;
    }
    return PLAIN;
}

static void put_row(struct table *t, const struct json_value *hook)
{
    const struct json_value *status = json_get(hook, "status");
    struct str state = json_str(json_get(status, "state"));

    if (state.n_bytes == 0)
        state = STR("unknown");
    put_place(t, hook);
    table_put(t, json_str(json_get(hook, "name")), PLAIN);
    table_put(t, state, colour_of(state));
    table_printf(t, "%" PRId64, json_int_or_zero(json_get(status, "waiting")));
    table_printf(t, "%" PRId64 "%s", json_int_or_zero(json_get(status, "dead")),
                 json_bool(json_get(status, "moreDead")) ? "+" : "");
    table_put(t, json_str(json_get(hook, "payloadUrl")), PLAIN);
    table_put(t, json_str(json_get(hook, "displayName")), PLAIN);
}

// --- pages ---

// Prints a page of JSON without its brackets, so that all pages make one array.
static void print_page(const struct listing *l, const struct buf *answer)
{
    if (answer->n_bytes > 2) {
        printf("%s%.*s", l->n_shown > 0 ? "," : "", (int)(answer->n_bytes - 2),
               answer->at + 1);
    }
}

static bool show_page(struct listing *l, const struct buf *answer)
{
    struct json_iter it;
    const struct json_value *hook;
    struct json *json;

    if (!client_read(l->args->command, answer, &json))
        return false;
    it = json_iter(json_root(json));
    if (args_has(l->args, "json")) {
        print_page(l, answer);
    } else {
        while ((hook = json_next(&it, NULL)) != NULL)
            put_row(&l->table, hook);
    }
    l->n_shown += json_size(json_root(json));
    json_free(json);
    return true;
}

static void put_query(const struct args *args, const char *name,
                      struct buf *path)
{
    const char *value = args_text(args, name);
    struct buf text;

    if (value == NULL)
        return;
    buf_init(&text, 0);
    client_put_segment(&text, value);
    buf_printf(path, "&%s=%s", name, buf_cstr(&text) + 1); // without its slash
    buf_clear(&text);
}

static bool show_pages(struct listing *l, const struct scope_options *scope)
{
    struct client_pages pages = { .args = l->args };
    struct buf path;
    bool is_good;

    buf_init(&path, 0);
    client_pages_init(&pages);
    do {
        buf_reset(&path);
        scope_put_hooks_path(scope, &path);
        buf_puts(&path, "?scope=all&limit=1000");
        put_query(l->args, "state", &path);
        put_query(l->args, "text", &path);
        is_good =
            client_pages_read(&pages, &path) && show_page(l, &pages.answer);
    } while (is_good && pages.next.n_bytes > 0);
    client_pages_clear(&pages);
    buf_clear(&path);
    return is_good;
}

int hook_table(const struct args *args, const struct scope_options *scope)
{
    static const char *const titles[] = { "PLACE",       "NAME", "STATE",
                                          "WAITING",     "DEAD", "DESTINATION",
                                          "DISPLAY NAME" };
    struct listing l = { .args = args };
    bool is_json = args_has(args, "json");
    bool is_good;

    if (!exists_scope(args, scope))
        return EXIT_FAILED;
    if (is_json) {
        putchar('[');
    } else {
        table_init(&l.table, titles, 7, "650");
        l.table.droppable = "63";
        l.table.least = LEAST_COLUMNS;
    }
    is_good = show_pages(&l, scope);
    if (is_json) {
        puts("]");
    } else {
        table_end(&l.table, stdout);
    }
    return is_good ? 0 : EXIT_FAILED;
}
