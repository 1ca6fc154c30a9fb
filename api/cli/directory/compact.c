// SPDX-License-Identifier: MIT
// compact.c — `posthorn compact`: writes the environments of a data directory anew.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "api/cli/core/commands.h"
#include "api/cli/core/locate.h"
#include "api/cli/core/terminal.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "common/encoding/json_writer.h"
#include "common/files/owner.h"
#include "queue/queue.h"

struct compacting {
    const struct args *args;
    struct owner dir; // of the data directory
    uint64_t max_bytes;
    struct progress progress;
};

// What the child tells: a result, then a sentence.
struct told {
    struct compact_result result;
    char why[512];
};

static bool on_progress(void *data, uint64_t done, uint64_t total)
{
    struct compacting *c = data;

    return progress_go_on(&c->progress, done, total);
}

// Runs in a child process, since a damaged page may end it; with the rights of the
// directory's owner, since root would follow any link in it.
static enum err compact_step(void *data, struct buf *out)
{
    struct compacting *c = data;
    struct told told = { .why = "" };
    struct buf why;
    enum err err = ERR_DENIED;

    buf_init(&why, 0);
    if (owner_become(&c->dir, &why)) {
        err = queue_compact(c->dir.path, c->max_bytes, on_progress, c,
                            &told.result, &why);
        progress_end(&c->progress, c->progress.total);
    }
    snprintf(told.why, sizeof(told.why), "%s", buf_cstr(&why));
    buf_put(out, &told, sizeof(told));
    buf_clear(&why);
    return err;
}

static void print_json(const struct compact_result *result)
{
    struct buf line;
    struct json_writer w = json_writer(&line);

    buf_init(&line, 0);
    json_open_object(&w, NULL);
    json_open_array(&w, "environments");
    for (size_t i = 0; i < result->n; i++) {
        json_open_object(&w, NULL);
        json_put_text(&w, "name", result->parts[i].name);
        json_put_u64(&w, "beforeBytes", result->parts[i].before_bytes);
        json_put_u64(&w, "afterBytes", result->parts[i].after_bytes);
        json_close(&w);
    }
    json_close(&w);
    json_close(&w);
    terminal_print_line(&line);
}

static double mib(uint64_t n_bytes)
{
    return (double)n_bytes / (1 << 20);
}

static void print_table(const struct compact_result *result)
{
    uint64_t before = 0;
    uint64_t after = 0;

    for (size_t i = 0; i < result->n; i++) {
        const struct compact_part *p = &result->parts[i];

        printf("%-14s %10.1f MiB  ->  %10.1f MiB\n", p->name,
               mib(p->before_bytes), mib(p->after_bytes));
        before += p->before_bytes;
        after += p->after_bytes;
    }
    printf("%-14s %10.1f MiB  ->  %10.1f MiB\n", "together", mib(before),
           mib(after));
}

static int compacted(const struct compacting *c, const char *name, enum err err,
                     const struct told *told, const char *why)
{
    if (err == OK) {
        if (args_has(c->args, "json")) {
            print_json(&told->result);
        } else {
            print_table(&told->result);
        }
        return 0;
    }
    if (err == ERR_AGAIN) {
        return command_failed(
            c->args->command,
            "interrupted; environments that are not done stay "
            "as they were");
    }
    if (err == ERR_NOTFOUND) {
        return command_failed(c->args->command, "there is no queue in %s",
                              name);
    }
    if (told->why[0] != '\0')
        why = told->why;
    return command_failed(c->args->command, "%s cannot be compacted: %s", name,
                          why[0] != '\0' ? why : err_str(err));
}

static int compact(struct compacting *c, const char *name)
{
    struct told told = { .why = "" };
    struct buf out;
    struct buf why;
    enum err err;
    int status;

    buf_init(&out, 0);
    buf_init(&why, 0);
    terminal_catch_interrupts();
    progress_begin(&c->progress, "compacting", "records", 0);
    err = queue_apart(compact_step, c, terminal_is_interrupted, &out, &why);
    if (out.n_bytes == sizeof(told))
        memcpy(&told, out.at, sizeof(told));
    status = compacted(c, name, err, &told, buf_cstr(&why));
    buf_clear(&why);
    buf_clear(&out);
    return status;
}

static int compact_held(struct compacting *c, const char *name)
{
    struct buf why;
    int status;

    buf_init(&why, 0);
    if (owner_hold(name, &c->dir, &why) != OK) {
        status =
            command_failed(c->args->command, "%s %s", name, buf_cstr(&why));
    } else if (flock(c->dir.dir_fd, LOCK_EX | LOCK_NB) != 0) {
        status = command_failed(c->args->command,
                                "an engine runs with %s; stop it first", name);
    } else if (queue_check_format(c->dir.path, &why) != OK) {
        status = command_failed(c->args->command, "%s", buf_cstr(&why));
    } else {
        status = compact(c, name);
    }
    owner_release(&c->dir);
    buf_clear(&why);
    return status;
}

int command_compact(const struct args *args)
{
    const char *data_dir = args_text(args, "data-dir");
    struct compacting c = { .args = args, .dir = { .dir_fd = -1 } };
    struct config config;
    int status = EXIT_FAILED;

    if (locate_settings(args, data_dir, &config)) {
        c.max_bytes = config.max_queue_bytes;
        status =
            compact_held(&c, data_dir != NULL ? data_dir : config.data_dir);
        config_clear(&config);
    }
    return status;
}
