// SPDX-License-Identifier: MIT
// status_backlog.c — what `posthorn status` prints about waiting deliveries and their
// organizations.

#include "api/cli/commands/status_backlog.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/terminal.h"

#define WARN_PERCENT 80

void backlog_fetch(const struct args *args, struct buf *response)
{
    struct client_call call = { .method = "GET",
                                .path = "/api/status",
                                .is_quiet = client_is_refusal };

    if (client_request(args, &call, response) != OK)
        buf_reset(response);
}

static void put_wait(struct buf *out, int64_t seconds)
{
    static const struct {
        int64_t s;
        const char *name;
    } units[] = {
        { 86400, "days" }, { 3600, "hours" }, { 60, "minutes" }, { 1, "s" }
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (seconds >= 2 * units[i].s || units[i].s == 1) {
            buf_printf(out, "in %" PRId64 " %s", seconds / units[i].s,
                       units[i].name);
            return;
        }
    }
}

static void put_refuses(struct table *t, const struct json_value *org,
                        int64_t now_ms)
{
    const struct json_value *at = json_get(org, "refusesAt");
    struct buf text;

    if (json_bool(json_get(org, "refusing"))) {
        table_put(t, STR("refused now"), RED);
        return;
    }
    if (!json_is(at, JSON_NUMBER)) {
        table_put(t, STR("not growing"), DIM);
        return;
    }
    buf_init(&text, 0);
    put_wait(&text, (json_int_or_zero(at) - now_ms) / 1000);
    table_put(t, buf_str(&text), YELLOW);
    buf_clear(&text);
}

static void put_hooks(struct table *t, const struct json_value *org)
{
    struct json_iter it = json_iter(json_get(org, "fullest"));
    const struct json_value *hook;
    struct buf text;

    buf_init(&text, 0);
    while ((hook = json_next(&it, NULL)) != NULL) {
        struct str name = json_str(json_get(hook, "hookName"));

        if (text.n_bytes > 0)
            buf_puts(&text, ", ");
        buf_put_str(&text, name.n_bytes > 0 ? name : STR("(deleted)"));
        if (json_bool(json_get(hook, "paused")))
            buf_puts(&text, " (paused)");
    }
    table_put(t, buf_str(&text), PLAIN);
    buf_clear(&text);
}

static void put_size(struct table *t, const struct json_value *v)
{
    struct buf text;

    buf_init(&text, 0);
    buf_put_size(&text, (uint64_t)json_int_or_zero(v));
    table_put(t, buf_str(&text), PLAIN);
    buf_clear(&text);
}

static void put_org(struct table *t, const struct json_value *org,
                    int64_t now_ms)
{
    int64_t percent = json_int_or_zero(json_get(org, "percent"));
    struct buf text;

    buf_init(&text, 0);
    buf_printf(&text, "%" PRId64 " %%", percent);
    table_put(t, json_str(json_get(org, "organizationName")), PLAIN);
    table_printf(t, "%" PRId64, json_int_or_zero(json_get(org, "waiting")));
    put_size(t, json_get(org, "waitingBytes"));
    put_size(t, json_get(org, "quotaBytes"));
    table_put(t, buf_str(&text), percent >= WARN_PERCENT ? RED : PLAIN);
    put_refuses(t, org, now_ms);
    put_hooks(t, org);
    buf_clear(&text);
}

static void print_orgs(const struct json_value *orgs, int64_t now_ms)
{
    static const char *const titles[] = { "ORGANIZATION", "WAITING", "BYTES",
                                          "QUOTA",        "FULL",    "REFUSED",
                                          "MOST FOR" };
    struct json_iter it = json_iter(orgs);
    const struct json_value *org;
    struct table t;

    table_init(&t, titles, 7, "60");
    if (!json_is(orgs, JSON_ARRAY))
        put_org(&t, orgs, now_ms);
    while (json_is(orgs, JSON_ARRAY) && (org = json_next(&it, NULL)) != NULL)
        put_org(&t, org, now_ms);
    table_end(&t, stdout);
}

void backlog_print(const struct args *args, const struct buf *response,
                   int64_t now_ms)
{
    const struct json_value *root;
    struct json *json;
    struct buf used, most;

    if (response->n_bytes == 0 || !client_read(args->command, response, &json))
        return;
    root = json_root(json);
    buf_init(&used, 0);
    buf_init(&most, 0);
    buf_put_size(&used,
                 (uint64_t)json_int_or_zero(json_get(root, "queueBytes")));
    buf_put_size(&most,
                 (uint64_t)json_int_or_zero(json_get(root, "maxQueueBytes")) /
                     10 * 8);
    printf("queue: %s of the %s at which intake stops\n", buf_cstr(&used),
           buf_cstr(&most));
    if (json_size(json_get(root, "organizations")) > 0) {
        puts("\nwhat waits, and how full that makes the quota of its "
             "organization:");
        print_orgs(json_get(root, "organizations"), now_ms);
    }
    buf_clear(&most);
    buf_clear(&used);
    json_free(json);
}

int backlog_of_scope(const struct args *args, int64_t now_ms)
{
    struct client_call call = { .method = "GET" };
    struct buf path, response;
    struct json *json;
    int status = EXIT_FAILED;

    buf_init(&path, 0);
    buf_init(&response, 0);
    buf_puts(&path, args_has(args, "akinon") ? "/organizations" : "/api/orgs");
    client_put_segment(&path, args_text(args, "org"));
    buf_puts(&path, "/status");
    call.path = buf_cstr(&path);
    if (client_request(args, &call, &response) == OK) {
        status = 0;
        if (args_has(args, "json")) {
            printf("%.*s\n", STR_ARG(buf_str(&response)));
        } else if (client_read(args->command, &response, &json)) {
            print_orgs(json_root(json), now_ms);
            json_free(json);
        }
    }
    buf_clear(&response);
    buf_clear(&path);
    return status;
}
