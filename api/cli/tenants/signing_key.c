// SPDX-License-Identifier: MIT
// signing_key.c — `posthorn signing-key`: the keys that an organization signs with.

#include <stdio.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/terminal.h"
#include "common/encoding/crypto.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

static void print_keys(const struct json_value *list)
{
    static const char *const titles[] = { "ID", "CREATED (UTC)", "SIGNS UNTIL",
                                          "PUBLIC KEY" };
    struct json_iter it = json_iter(list);
    const struct json_value *key;
    struct table t;

    table_init(&t, titles, 4, "");
    while ((key = json_next(&it, NULL)) != NULL) {
        const struct json_value *until = json_get(key, "until");

        table_put(&t, json_str(json_get(key, "id")), PLAIN);
        table_put(&t, json_str(json_get(key, "createdAt")), PLAIN);
        table_put(&t, until != NULL ? json_str(until) : STR("for good"), PLAIN);
        table_put(&t, json_str(json_get(key, "publicKey")), PLAIN);
    }
    table_end(&t, stdout);
}

// Appends the body of a create. False: the file cannot be read; stderr has the reason.
static bool put_body(const struct args *args, struct buf *body)
{
    const char *path = args_text(args, "key-file");
    struct json_writer w = json_writer(body);
    bool is_good = true;
    struct buf key;

    buf_init(&key, 0);
    json_open_object(&w, NULL);
    if (path != NULL) {
        is_good = client_read_file(args->command, path, &key);
        json_put_str(&w, "key", str_trim(buf_str(&key), STR_SPACES));
    }
    if (args_has(args, "end-overlap"))
        json_put_bool(&w, "endOverlap", true);
    json_close(&w);
    crypto_wipe_buf(&key);
    return is_good;
}

int command_signing_key(const struct args *args)
{
    bool creates = strcmp(args->operands[0], "create") == 0;
    struct client_call what = { .method = "GET", .body = STR_EMPTY };
    struct buf path, body;
    int status = EXIT_FAILED;

    if (args_text(args, "org") == NULL)
        return command_misused(args->command, "--org is missing");
    if (!creates && !exists_org(args))
        return EXIT_FAILED;
    buf_init(&path, 0);
    buf_init(&body, 0);
    buf_puts(&path, args_has(args, "akinon") ? "/organizations" : "/api/orgs");
    client_put_segment(&path, args_text(args, "org"));
    buf_puts(&path, "/signing-keys");
    what.path = buf_cstr(&path);
    if (creates)
        what.method = "POST";
    if (!creates || put_body(args, &body)) {
        what.body = buf_str(&body);
        status = client_run(args, &what, print_keys);
    }
    crypto_wipe_buf(&body);
    buf_clear(&path);
    return status;
}
