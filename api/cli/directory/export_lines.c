// SPDX-License-Identifier: MIT
// export_lines.c — files of webhooks: their lines are read and checked.

#include "api/cli/directory/export_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/core/commands.h"
#include "api/cli/core/scope_options.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"

static void line_clear(struct line *l)
{
    json_free(l->json);
    free(l->path);
    crypto_wipe_buf(&l->body);
}

// Reads a line. ERR_INVALID: it is neither a webhook nor a key, which is printed to stderr.
static enum err line_read(const struct args *args, uint64_t number,
                          struct str text, struct line *out)
{
    const struct json_value *root;
    struct str path;
    const char *member;
    struct buf why;
    enum err err;

    *out = (struct line){ .json = NULL };
    buf_init(&out->body, 0);
    buf_init(&why, 1024);
    err = json_parse(text, &json_no_limits, &out->json, &why);
    root = err == OK ? json_root(out->json) : NULL;
    path = json_str(json_get(root, "path"));
    out->is_key = scope_is_keys_path(path);
    member = out->is_key ? "signingKey" : "hook";
    if (err == OK &&
        (path.n_bytes == 0 || !json_is(json_get(root, member), JSON_OBJECT))) {
        buf_printf(&why, "it must be {\"path\": …, \"%s\": {…}}", member);
        err = ERR_INVALID;
    }
    if (err == OK && !out->is_key && !scope_is_hooks_path(path)) {
        scope_put_path_shapes(&why);
        err = ERR_INVALID;
    }
    if (err == OK)
        err = json_compact_member(text, member, &out->body);
    if (err == OK) {
        out->path = xstrndup(path.at, path.n_bytes);
    } else {
        command_failed(args->command, "line %" PRIu64 ": %s", number,
                       buf_cstr(&why));
    }
    buf_clear(&why);
    return err;
}

bool lines_each(const struct args *args, FILE *file, line_visit visit,
                void *data)
{
    char *text = NULL;
    size_t room = 0;
    uint64_t number = 0;
    bool is_good = true;
    ssize_t n;

    while (is_good && (n = getline(&text, &room, file)) > 0) {
        struct line l;

        number++;
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
            n--;
        if (n == 0)
            continue;
        is_good = line_read(args, number, (struct str){ text, (size_t)n },
                            &l) == OK &&
                  visit(data, number, &l);
        line_clear(&l);
    }
    free(text);
    return is_good;
}

static bool count_line(void *data, uint64_t number, const struct line *l)
{
    (void)number;
    *(uint64_t *)data += !l->is_key;
    return true;
}

FILE *lines_open(const struct args *args, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

    if (file == NULL) {
        command_failed(args->command, "%s cannot be read: %s", path,
                       strerror(errno));
    }
    return file;
}

int export_verify(const struct args *args, const char *path)
{
    FILE *file = lines_open(args, path);
    uint64_t n = 0;
    bool is_good;

    if (file == NULL)
        return EXIT_FAILED;
    is_good = lines_each(args, file, count_line, &n);
    fclose(file);
    if (is_good)
        printf("%" PRIu64 " webhooks, no faults\n", n);
    return is_good ? 0 : EXIT_FAILED;
}
