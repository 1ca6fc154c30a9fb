// SPDX-License-Identifier: MIT
// org_retention.c — `posthorn org retention`: how long what an organization has is kept.

#include "api/cli/tenants/org_retention.h"

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/facts.h"
#include "common/encoding/json_writer.h"

static void put_text(const struct args *args, const char *name,
                     struct json_writer *w)
{
    if (args_text(args, name) != NULL)
        json_put_text(w, name, args_text(args, name));
}

int cli_org_retention(const struct args *args, const char *org)
{
    bool sets =
        args_text(args, "delivered") != NULL || args_text(args, "dead") != NULL;
    struct client_call what = { .method = "GET", .body = STR_EMPTY };
    struct buf path, body, answer;
    struct json_writer w = json_writer(&body);
    int status = EXIT_FAILED;

    if (sets && args_has(args, "clear")) {
        return command_misused(args->command,
                               "--clear goes without --delivered and --dead");
    }
    buf_init(&path, 0);
    buf_init(&body, 0);
    buf_init(&answer, 0);
    buf_puts(&path, "/api/orgs");
    client_put_segment(&path, org);
    buf_puts(&path, "/retention");
    what.path = buf_cstr(&path);
    if (sets) {
        json_open_object(&w, NULL);
        put_text(args, "delivered", &w);
        put_text(args, "dead", &w);
        json_close(&w);
        what.method = "PUT";
        what.body = buf_str(&body);
    } else if (args_has(args, "clear")) {
        what.method = "DELETE";
    }
    if (client_request(args, &what, &answer) == OK)
        status = client_print(args, &answer, facts_print);
    buf_clear(&answer);
    buf_clear(&body);
    buf_clear(&path);
    return status;
}
