// cli_backup.c — `posthorn backup` and `posthorn restore`.

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "api/commands.h"
#include "api/screen.h"
#include "common/config.h"
#include "common/mem.h"
#include "queue/queue.h"

static bool on_progress(void *data, uint64_t done, uint64_t total)
{
    struct progress *p = data;

    p->total = total;
    progress_show(p, done);
    return !screen_is_interrupted();
}

// Copies `from` to `to`, which is made.
static int copy(const struct args *args, const char *what, const char *from,
                const char *to, uint64_t max_bytes, bool with_keys)
{
    struct queue_config qc = { .data_dir = from, .max_bytes = max_bytes };
    char *for_dir = xstrdup(to);
    char *for_name = xstrdup(to);
    struct progress progress;
    struct queue_copied copied;
    enum err err = queue_n_shards(from, &qc.n_shards);
    int status = EXIT_FAILED;

    screen_catch_interrupts();
    progress_begin(&progress, what, "records", 0);
    if (err == OK) {
        const struct queue_copy_to where = { .parent = dirname(for_dir),
                                             .name = basename(for_name),
                                             .with_keys = with_keys };

        err = queue_copy(&qc, &where, on_progress, &progress, &copied);
    }
    if (err == OK) {
        progress_end(&progress, copied.n_records);
        printf("%s: %" PRIu64 " records", to, copied.n_records);
        if (copied.n_damaged > 0) {
            printf("; %" PRIu64 " damaged ones were set aside in "
                   "%s/damaged.jsonl",
                   copied.n_damaged, to);
        }
        putchar('\n');
        status = 0;
    } else if (err == ERR_AGAIN) {
        command_failed(args->command, "interrupted; nothing is left of it");
    } else if (err == ERR_NOTFOUND) {
        command_failed(args->command, "there is no queue in %s", from);
    } else {
        command_failed(args->command, "%s could not be made: %s", to,
                       err_str(err));
    }
    free(for_dir);
    free(for_name);
    return status;
}

static bool load(const struct args *args, struct config *out)
{
    struct config_sources sources = { .file = args_text(args, "config") };
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    err = config_load(&sources, out, &faults);
    if (err != OK) {
        fputs(buf_cstr(&faults), stderr);
        config_clear(out);
    }
    buf_clear(&faults);
    return err == OK;
}

// The path without slashes at its end.
static char *clean_path(const char *path)
{
    char *clean = xstrdup(path);

    while (strlen(clean) > 1 && clean[strlen(clean) - 1] == '/')
        clean[strlen(clean) - 1] = '\0';
    return clean;
}

int command_backup(const struct args *args)
{
    const char *data_dir = args_text(args, "data-dir");
    char *to = clean_path(args->operands[0]);
    struct config config;
    int status = EXIT_FAILED;

    if (access(to, F_OK) == 0) {
        command_failed(args->command,
                       "%s is there already; a backup is made "
                       "under a new name",
                       to);
    } else if (load(args, &config)) {
        status = copy(args, "backing up",
                      data_dir != NULL ? data_dir : config.data_dir, to,
                      config.max_queue_bytes, !args_has(args, "without-keys"));
        config_clear(&config);
    }
    free(to);
    return status;
}

static void put_fault(void *data, const char *what)
{
    (void)data;
    fprintf(stderr, "posthorn restore: %s\n", what);
}

// Damage is set aside by the copy; what cannot be read at all is not restored.
static bool is_readable(const struct args *args, const char *dir,
                        uint64_t max_bytes)
{
    struct queue_config qc = { .data_dir = dir, .max_bytes = max_bytes };
    struct queue_report report;
    enum err err = queue_n_shards(dir, &qc.n_shards);

    if (err == OK)
        err = queue_verify(&qc, put_fault, NULL, NULL, &report);
    if (err != OK) {
        command_failed(args->command, "%s is no backup that can be read: %s",
                       dir, err_str(err));
    }
    return err == OK;
}

int command_restore(const struct args *args)
{
    const char *data_dir = args_text(args, "data-dir");
    char *from = clean_path(args->operands[0]);
    struct config config;
    char *to;
    int status = EXIT_FAILED;

    if (!load(args, &config)) {
        free(from);
        return EXIT_FAILED;
    }
    to = clean_path(data_dir != NULL ? data_dir : config.data_dir);
    // An empty directory gives way; anything else stays.
    if (rmdir(to) != 0 && errno != ENOENT) {
        command_failed(args->command,
                       "%s is there and not empty: restore into a new "
                       "directory",
                       to);
    } else if (is_readable(args, from, config.max_queue_bytes)) {
        status =
            copy(args, "restoring", from, to, config.max_queue_bytes, true);
    }
    free(to);
    free(from);
    config_clear(&config);
    return status;
}
