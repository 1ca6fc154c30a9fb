// cli_backup.c — `posthorn backup`, `posthorn restore` and `posthorn repair`.

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/commands.h"
#include "api/locate.h"
#include "api/restore_target.h"
#include "api/screen.h"
#include "common/config.h"
#include "common/journal.h"
#include "common/mem.h"
#include "queue/queue.h"

// What goes on in a child process: a damaged page may end it.
struct job {
    const struct args *args;
    struct queue_config qc;
    struct queue_copy_to to;
    struct progress progress;
    struct queue_copied copied;
};

static bool on_progress(void *data, uint64_t done, uint64_t total)
{
    struct job *j = data;

    j->progress.total = total;
    progress_show(&j->progress, done);
    return !screen_is_interrupted();
}

static void on_fault(void *data, const char *what)
{
    const struct job *j = data;

    fprintf(stderr, "%sposthorn %s: %s\n", journal_prefix(JOURNAL_ERR),
            j->args->command->name, what);
}

static enum err copy_step(void *data, struct buf *out)
{
    struct job *j = data;
    enum err err = queue_copy(&j->qc, &j->to, on_progress, j, &j->copied);

    if (err == OK)
        progress_end(&j->progress, j->copied.n_records);
    buf_put(out, &j->copied, sizeof(j->copied));
    return err;
}

static int advise_repair(const struct args *args, const char *from,
                         const char *why)
{
    return command_failed(
        args->command,
        "%s %s; `posthorn repair --data-dir %s --to NEW_DIR` saves what can be "
        "read",
        from, why, from);
}

// What backup, restore and repair have in common.
static int target_failed(const struct args *args, const char *from,
                         const char *to, enum err err)
{
    switch ((int)err) { // the others are told as they are
    case ERR_AGAIN:
        return command_failed(args->command,
                              "interrupted; nothing is left of it");
    case ERR_NOTFOUND:
        return command_failed(args->command, "there is no queue in %s", from);
    case ERR_EXISTS:
        return command_failed(args->command,
                              "%s is there by now: somebody else has made it; "
                              "nothing is left of this one",
                              to);
    default:
        return command_failed(args->command, "%s could not be made: %s", to,
                              err_str(err));
    }
}

static int copy_failed(const struct job *j, const char *to, enum err err,
                       struct buf *why)
{
    const struct args *args = j->args;
    const char *from = j->qc.data_dir;

    if (screen_is_interrupted()) // whatever that has ended
        return target_failed(args, from, to, ERR_AGAIN);
    if (why->n_bytes > 0)
        return advise_repair(args, from, buf_cstr(why));
    switch ((int)err) {
    case ERR_BUSY:
        return command_failed(args->command,
                              "%s was mounted, or is used, by now; nothing is "
                              "left of this one",
                              to);
    case ERR_CORRUPT:
        return advise_repair(args, from, "is damaged");
    case ERR_CONFLICT:
        return advise_repair(args, from, "is not of one piece");
    default:
        return target_failed(args, from, to, err);
    }
}

// Whether it is of a format that is read; said if not.
static bool is_known_format(const struct args *args, const char *from)
{
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = queue_judge_format(from, &why);
    if (err != OK)
        command_failed(args->command, "%s", buf_cstr(&why));
    buf_clear(&why);
    return err == OK;
}

// The directory to make it in. False: said why not.
static bool begin(const struct args *args, const char *from, const char *to,
                  struct queue_copy_to *out)
{
    enum err err = queue_copy_begin(out, from);

    switch ((int)err) {
    case OK:
        return true;
    case ERR_INVALID:
        command_failed(args->command,
                       "%s would lie in %s itself; name a directory outside",
                       to, from);
        return false;
    case ERR_BUSY:
        command_failed(args->command,
                       "an engine, or another restore, runs on %s; end it "
                       "first",
                       to);
        return false;
    case ERR_NOTFOUND:
    case ERR_EXISTS:
        if (out->is_in_place) {
            command_failed(args->command, "%s is not empty by now", to);
            return false;
        }
        command_failed(args->command,
                       "%s cannot be made: %s is not a directory that is there",
                       to, out->parent);
        return false;
    default:
        command_failed(args->command, "%s cannot be made in %s: %s", to,
                       out->parent, err_str(err));
        return false;
    }
}

static void end(struct queue_copy_to *to)
{
    char *temporary = xstrdup(to->temporary);

    if (queue_copy_end(to) != OK) {
        fprintf(stderr, "%s/%s%s%s is left of it, and can be removed\n",
                to->parent, to->is_in_place ? to->name : "",
                to->is_in_place ? "/" : "", temporary);
    }
    free(temporary);
}

static int copy_into(struct job *j, const char *to)
{
    struct buf out;
    struct buf why;
    int status = 0;
    enum err err;

    buf_init(&out, 0);
    buf_init(&why, 0);
    err = queue_apart(copy_step, j, screen_is_interrupted, &out, &why);
    end(&j->to);
    if (err == OK && out.n_bytes == sizeof(j->copied)) {
        memcpy(&j->copied, out.at, sizeof(j->copied));
        printf("%s: %" PRIu64 " records", to, j->copied.n_records);
        if (j->copied.n_damaged > 0) {
            printf("; %" PRIu64 " damaged ones were set aside in "
                   "%s/damaged.jsonl",
                   j->copied.n_damaged, to);
        }
        putchar('\n');
    } else {
        status = copy_failed(j, to, err, &why);
    }
    buf_clear(&out);
    buf_clear(&why);
    return status;
}

// Copies `from` to `to`, which is made.
static int copy(struct job *j, const char *what, const char *to)
{
    const char *from = j->qc.data_dir;
    char *for_dir = xstrdup(to);
    char *for_name = xstrdup(to);
    int status = EXIT_FAILED;

    j->to.parent = dirname(for_dir);
    j->to.name = basename(for_name);
    j->to.on_fault = on_fault;
    screen_catch_interrupts();
    progress_begin(&j->progress, what, "records", 0);
    if (queue_n_shards(from, &j->qc.n_shards) != OK) {
        status = target_failed(j->args, from, to, ERR_NOTFOUND);
    } else if (is_known_format(j->args, from) &&
               begin(j->args, from, to, &j->to)) {
        status = copy_into(j, to);
    }
    free(for_dir);
    free(for_name);
    return status;
}

// Whether a new directory can be made there; said why not.
static bool is_new(const struct args *args, const char *what, const char *to)
{
    struct stat st;

    if (to[0] == '\0') {
        command_failed(args->command, "%s is empty; name a new directory",
                       what);
        return false;
    }
    if (lstat(to, &st) == 0) {
        command_failed(args->command,
                       "%s is there already; %s names a new directory", to,
                       what);
        return false;
    }
    return true;
}

int command_backup(const struct args *args)
{
    const char *data_dir = args_text(args, "data-dir");
    char *to = target_clean(args->operands[0]);
    struct config config;
    int status = EXIT_FAILED;

    if (is_new(args, "DIR", to) && locate_settings(args, data_dir, &config)) {
        struct job job = {
            .args = args,
            .qc = { .data_dir = data_dir != NULL ? data_dir : config.data_dir,
                    .max_bytes = config.max_queue_bytes },
            .to = { .with_keys = !args_has(args, "without-keys") },
        };

        status = copy(&job, "backing up", to);
        config_clear(&config);
    }
    free(to);
    return status;
}

static enum err verify_step(void *data, struct buf *out)
{
    struct job *j = data;
    struct queue_report report;

    (void)out;
    return queue_verify(&j->qc, on_fault, NULL, j, &report);
}

// Damage is set aside by the copy; what cannot be read at all is not restored.
static bool is_readable(struct job *j)
{
    struct buf why;
    struct buf out;
    enum err err;

    buf_init(&why, 0);
    buf_init(&out, 0);
    err = queue_judge_format(j->qc.data_dir, &why);
    if (err == OK)
        err = queue_n_shards(j->qc.data_dir, &j->qc.n_shards);
    if (err == OK) {
        err = queue_apart(verify_step, j, screen_is_interrupted, &out, &why);
    }
    if (err != OK) {
        command_failed(j->args->command, "%s is no backup that can be read: %s",
                       j->qc.data_dir,
                       why.n_bytes > 0 ? buf_cstr(&why) : err_str(err));
    }
    buf_clear(&out);
    buf_clear(&why);
    return err == OK;
}

int command_restore(const struct args *args)
{
    const char *data_dir = args_text(args, "data-dir");
    char *from = target_clean(args->operands[0]);
    struct config config;
    int status = EXIT_FAILED;
    char *to;

    if (locate_settings(args, data_dir, &config)) {
        struct job job = { .args = args,
                           .qc = { .data_dir = from,
                                   .max_bytes = config.max_queue_bytes },
                           .to = { .with_keys = true } };

        to = restore_target(args, &config,
                            data_dir != NULL ? data_dir : config.data_dir,
                            &job.to);
        if (to != NULL && is_readable(&job))
            status = copy(&job, "restoring", to);
        free(to);
        config_clear(&config);
    }
    free(from);
    return status;
}

// --- repair ---

struct repair {
    const struct args *args;
    struct progress progress;
    struct table table;
    struct buf json; // of the tables
};

static bool on_page(void *data, uint64_t done, uint64_t total)
{
    struct repair *r = data;

    r->progress.total = total;
    progress_show(&r->progress, done < total ? done : total);
    return !screen_is_interrupted();
}

static void on_page_fault(void *data, const char *what)
{
    (void)data;
    fprintf(stderr, "%sposthorn repair: %s\n", journal_prefix(JOURNAL_ERR),
            what);
}

static void on_saved(void *data, const struct queue_saved *s)
{
    struct repair *r = data;

    if (!args_has(r->args, "json")) {
        table_printf(&r->table, "%s", s->environment);
        table_printf(&r->table, "%s", s->database);
        table_printf(&r->table, "%" PRIu64, s->n_records);
        table_printf(&r->table, "%" PRIu64, s->n_damaged);
        table_printf(&r->table, "%" PRIu64, s->n_lost);
        return;
    }
    buf_printf(&r->json,
               "%s{\"environment\":\"%s\",\"database\":\"%s\","
               "\"records\":%" PRIu64 ",\"damaged\":%" PRIu64
               ",\"lost\":%" PRIu64 "}",
               r->json.n_bytes > 0 ? "," : "", s->environment, s->database,
               s->n_records, s->n_damaged, s->n_lost);
}

static void print_repaired(struct repair *r, const char *to,
                           const struct queue_repaired *done)
{
    if (args_has(r->args, "json")) {
        printf("{\"records\":%" PRIu64 ",\"damaged\":%" PRIu64
               ",\"lost\":%" PRIu64 ",\"faults\":%" PRIu64
               ",\"shards\":%u,\"tables\":[%s]}\n",
               done->n_records, done->n_damaged, done->n_lost, done->n_faults,
               done->n_shards, buf_cstr(&r->json));
        return;
    }
    table_end(&r->table, stdout);
    printf("%s: %" PRIu64 " records; %" PRIu64 " were set aside in "
           "damaged.jsonl there, %" PRIu64 " are lost.\n",
           to, done->n_records, done->n_damaged, done->n_lost);
    printf("Start with dispatchers = %u, or any other number, and data_dir = "
           "%s; the old directory is as it was.\n",
           done->n_shards, to);
}

static int repair_failed(const struct args *args, const char *from,
                         const char *to, enum err err)
{
    if (err == ERR_BUSY) {
        return command_failed(args->command,
                              "an engine, or another repair, runs on %s; end "
                              "it first",
                              from);
    }
    return target_failed(args, from, to, err);
}

static int repair(const struct args *args, const char *from, const char *to,
                  uint64_t max_bytes)
{
    static const char *const titles[] = { "ENVIRONMENT", "TABLE", "SAVED",
                                          "SET ASIDE", "LOST" };
    struct queue_config qc = { .data_dir = from, .max_bytes = max_bytes };
    char *for_dir = xstrdup(to);
    char *for_name = xstrdup(to);
    struct queue_copy_to where = { .parent = dirname(for_dir),
                                   .name = basename(for_name) };
    struct repair r = { .args = args };
    const struct queue_repair how = { .on_fault = on_page_fault,
                                      .on_saved = on_saved,
                                      .on_progress = on_page,
                                      .data = &r };
    struct queue_repaired done;
    int status = EXIT_FAILED;

    table_init(&r.table, titles, 5, "1");
    buf_init(&r.json, 0);
    repair_owner(from, &where);
    screen_catch_interrupts();
    progress_begin(&r.progress, "repairing", "pages", 0);
    if (is_known_format(args, from) && begin(args, from, to, &where)) {
        enum err err = queue_repair(&qc, &where, &how, &done);

        end(&where);
        status = err == OK ? 0 : repair_failed(args, from, to, err);
        if (err == OK) {
            progress_end(&r.progress, r.progress.total);
            print_repaired(&r, to, &done);
        }
    }
    buf_clear(&r.json);
    free(for_dir);
    free(for_name);
    return status;
}

int command_repair(const struct args *args)
{
    const char *data_dir = args_text(args, "data-dir");
    const char *wanted = args_text(args, "to");
    struct config config;
    int status = EXIT_FAILED;
    char *to;

    if (wanted == NULL) {
        return command_failed(args->command,
                              "--to DIR is missing: where the new directory "
                              "is to be made");
    }
    to = target_clean(wanted);
    if (is_new(args, "--to", to) && locate_settings(args, data_dir, &config)) {
        status = repair(args, data_dir != NULL ? data_dir : config.data_dir, to,
                        config.max_queue_bytes);
        config_clear(&config);
    }
    free(to);
    return status;
}
