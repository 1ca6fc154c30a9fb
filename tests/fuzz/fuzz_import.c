// SPDX-License-Identifier: MIT
// fuzz_import.c — files that users may change: exported webhooks, and the file FORMAT of a
// data directory.
//
// Input: a byte that says which file, then the file.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/command_table.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/directory/export_lines.h"
#include "common/base/mem.h"
#include "common/files/keyring.h"
#include "common/http/authentication.h"
#include "queue/lmdb/identity.h"
#include "queue/queue.h"
#include "tests/fuzz/json_equal.h"

// Discards messages for people.
static void be_quiet(void)
{
    static bool is_quiet;

    if (!is_quiet)
        CHECK(freopen("/dev/null", "w", stdout) != NULL);
    is_quiet = true;
}

// Whether a text is a line, by the rule of export_verify().
static bool is_line(struct str text)
{
    struct json *json = NULL;
    const struct json_value *root;
    struct str path;
    bool is_good;

    if (json_parse(text, &json_default_limits, &json, NULL) != OK)
        return false;
    root = json_root(json);
    path = json_str(json_get(root, "path"));
    is_good = (scope_is_hooks_path(path) &&
               json_is(json_get(root, "hook"), JSON_OBJECT)) ||
              (scope_is_keys_path(path) &&
               json_is(json_get(root, "signingKey"), JSON_OBJECT));
    json_free(json);
    return is_good;
}

static bool are_lines(struct str text)
{
    while (text.n_bytes > 0) {
        struct str line = take_line(&text);

        while (line.n_bytes > 0 && line.at[line.n_bytes - 1] == '\r')
            line.n_bytes--;
        if (line.n_bytes > 0 && !is_line(line))
            return false;
    }
    return true;
}

static void check_export(struct str text)
{
    const struct args args = { .command = command_table.commands };
    char *path = xasprintf("%s/hooks.jsonl", fuzz_folder());

    fuzz_write("hooks.jsonl", text);
    CHECK((export_verify(&args, path) == 0) == are_lines(text));
    free(path);
}

// Checks FORMAT: the values that are read from it are the same after writing and
// reading them again.
static void check_format(struct str text)
{
    struct format f, again;

    fuzz_write("FORMAT", text);
    CHECK(format_read(fuzz_folder(), &f) == OK);
    CHECK(!f.is_complete || f.has_id);
    CHECK(format_write(fuzz_folder(), &f) == OK);
    CHECK(format_read(fuzz_folder(), &again) == OK);
    CHECK(again.version == QUEUE_FORMAT && strcmp(again.name, "posthorn") == 0);
    CHECK(again.has_id == f.has_id && again.has_key == f.has_key &&
          again.is_complete == f.is_complete);
    if (f.has_id)
        CHECK(memcmp(f.id, again.id, sizeof(f.id)) == 0);
    if (f.has_key)
        CHECK(memcmp(f.key, again.key, sizeof(f.key)) == 0);
}

static void check_keys(struct str text)
{
    static const uint8_t plain_bytes[] = "plain";
    struct str plain = { (const char *)plain_bytes, sizeof(plain_bytes) };
    char *path = xasprintf("%s/secret.key", fuzz_folder());
    struct keyring *keys = NULL;
    struct buf why, sealed, opened;

    fuzz_write("secret.key", text);
    buf_init(&why, 0);
    buf_init(&sealed, 0);
    buf_init(&opened, 0);
    if (keyring_read(path, &keys, &why) == OK) {
        keyring_seal(keys, STR("here"), plain, &sealed);
        CHECK(keyring_open(keys, STR("here"), buf_str(&sealed), &opened) == OK);
        CHECK(str_eq(buf_str(&opened), plain));
        CHECK(keyring_open(keys, STR("there"), buf_str(&sealed), &opened) !=
              OK);
        (void)!keyring_open(keys, STR("here"), text, &opened);
        keyring_free(keys);
    } else {
        CHECK(why.n_bytes > 0);
    }
    buf_clear(&why);
    buf_clear(&sealed);
    buf_clear(&opened);
    free(path);
}

static void check_token(struct str text)
{
    uint8_t hash[SHA256_BYTES];
    char *path = xasprintf("%s/a.token", fuzz_folder());

    fuzz_write("a.token", text);
    if (auth_read_token(path, hash) == OK)
        CHECK(text.n_bytes >= 16);
    free(path);
}

void fuzz_one(struct str input)
{
    be_quiet();
    switch (take_u8(&input) % 4) {
    case 0:
        check_export(input);
        break;
    case 1:
        check_format(input);
        break;
    case 2:
        check_keys(input);
        break;
    default:
        check_token(input);
        break;
    }
}

#define ID  "0123456789abcdef0123456789abcdef"
#define KEY ID ID

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "@{\"path\":\"/api/orgs/acme/hooks\",\"hook\":{\"name\":\"h\"}}\n\r\n"
        "{\"path\":\"/organizations/a/projects/b/settings/"
        "webhooks\",\"hook\":{}}",
        "@{\"path\":\"/api/stacks/acme/web/p%2Dq/hooks\",\"hook\":{}}\n",
        "@{\"path\":\"/api/esc/environments/a/../b/hooks\",\"hook\":{}}\n",
        "@{\"path\":\"/api/orgs/a/hooks\",\"hook\":[]}\n",
        "@{\"path\":\"/api/orgs/a/signing-keys\",\"signingKey\":{}}\n",
        "Aposthorn 5\nid " ID "\nkey " KEY "\ncomplete\n",
        "Aposthorn 4\nid " ID "\n",
        "Aother 99999999999\n",
        "B" KEY "\n",
        "B" KEY "\n" KEY "\n# \n",
        "Cabcdefghijklmnopqrst\n",
    };

    return seed_text(texts, sizeof(texts) / sizeof(texts[0]), i, out);
}
