// SPDX-License-Identifier: MIT
// backup.c — `posthorn backup`, `posthorn restore` and `posthorn repair`.

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/core/commands.h"
#include "api/cli/core/locate.h"
#include "api/cli/core/terminal.h"
#include "api/cli/directory/copying.h"
#include "api/cli/directory/restore_target.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "common/encoding/json_writer.h"
#include "common/log/journal.h"
#include "queue/queue.h"

// The work of a child process, which a damaged page may end.
struct job {
    const struct args *args;
    const char *name;   // of the directory that is read, for messages
    struct owner owner; // of the directory that is read
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
    return !terminal_is_interrupted();
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
    enum err err = queue_copy_enter(&j->to);

    if (err == OK)
        err = copying_become(j->args, j->name, &j->owner);
    if (err == OK)
        err = queue_copy(&j->qc, &j->to, on_progress, j, &j->copied);
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

// Reports that the child was ended for another reason than the data that it read.
static int was_ended(const struct args *args, const char *to, struct buf *why)
{
    return command_failed(
        args->command,
        "%s could not be made: %s; the unfinished copy was removed", to,
        buf_cstr(why));
}

static int copy_failed(const struct job *j, const char *to, enum err err,
                       struct buf *why)
{
    const struct args *args = j->args;
    const char *from = j->name;

    if (terminal_is_interrupted()) // the child may have ended for this reason
        return copying_failed(args, from, to, ERR_AGAIN);
    if (why->n_bytes > 0 && err != ERR_CORRUPT)
        return was_ended(args, to, why);
    if (why->n_bytes > 0)
        return advise_repair(args, from, buf_cstr(why));
    switch ((int)err) {
    case ERR_BUSY:
        return command_failed(
            args->command,
            "%s has been mounted or used meanwhile; this copy was removed", to);
    case ERR_CORRUPT:
        return advise_repair(args, from, "is damaged");
    case ERR_CONFLICT:
        return advise_repair(args, from,
                             "contains parts of several data directories");
    default:
        return copying_failed(args, from, to, err);
    }
}

static int copy_into(struct job *j, const char *to)
{
    struct buf out;
    struct buf why;
    int status = 0;
    enum err err;

    buf_init(&out, 0);
    buf_init(&why, 0);
    err = queue_apart(copy_step, j, terminal_is_interrupted, &out, &why);
    if (err == OK) // what comes now is short, and not left half done
        err = terminal_is_interrupted() ? ERR_AGAIN : queue_copy_finish(&j->to);
    copying_end(&j->to);
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

// Copies the job's directory to `to`, which it creates.
static int copy(struct job *j, const char *what, const char *to)
{
    const char *from = j->name;
    char *for_dir = xstrdup(to);
    char *for_name = xstrdup(to);
    int status = EXIT_FAILED;

    j->to.parent = dirname(for_dir);
    j->to.name = basename(for_name);
    j->to.on_fault = on_fault;
    terminal_catch_interrupts();
    progress_begin(&j->progress, what, "records", 0);
    if (queue_n_shards(j->qc.data_dir, &j->qc.n_shards) != OK) {
        status = copying_failed(j->args, from, to, ERR_NOTFOUND);
    } else if (copying_knows(j->args, j->qc.data_dir) &&
               copying_begin(j->args, &j->owner, to, &j->to)) {
        status = copy_into(j, to);
    }
    free(for_dir);
    free(for_name);
    return status;
}

int command_backup(const struct args *args)
{
    const char *data_dir = args_text(args, "data-dir");
    char *to = target_clean(args->operands[0]);
    struct config config;
    int status = EXIT_FAILED;

    if (copying_is_new(args, "DIR", to) &&
        locate_settings(args, data_dir, &config)) {
        struct job job = {
            .args = args,
            .name = data_dir != NULL ? data_dir : config.data_dir,
            .qc = { .max_bytes = config.max_queue_bytes },
            .to = { .with_keys = !args_has(args, "without-keys") },
        };

        if (copying_hold(args, job.name, &job.owner)) {
            job.qc.data_dir = job.owner.path;
            status = copy(&job, "backing up", to);
        }
        owner_release(&job.owner);
        config_clear(&config);
    }
    free(to);
    return status;
}

static enum err verify_step(void *data, struct buf *out)
{
    struct job *j = data;
    struct queue_report report;
    enum err err = copying_become(j->args, j->name, &j->owner);

    (void)out;
    return err == OK ? queue_verify(&j->qc, on_fault, NULL, j, &report) : err;
}

// Whether a backup can be read. Single damaged records are set aside by the copy; a
// backup that cannot be read at all is not restored.
static bool is_readable(struct job *j)
{
    struct buf why;
    struct buf out;
    enum err err;

    buf_init(&why, 0);
    buf_init(&out, 0);
    err = queue_check_format(j->qc.data_dir, &why);
    if (err == OK)
        err = queue_n_shards(j->qc.data_dir, &j->qc.n_shards);
    if (err == OK) {
        err = queue_apart(verify_step, j, terminal_is_interrupted, &out, &why);
    }
    if (err != OK) {
        command_failed(j->args->command, "%s is not a readable backup: %s",
                       j->name,
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
                           .name = from,
                           .owner = { .dir_fd = -1 },
                           .qc = { .max_bytes = config.max_queue_bytes },
                           .to = { .with_keys = true } };

        to = restore_target(args, &config,
                            data_dir != NULL ? data_dir : config.data_dir,
                            &job.to);
        if (to != NULL && copying_hold(args, from, &job.owner)) {
            job.qc.data_dir = job.owner.path;
            if (is_readable(&job))
                status = copy(&job, "restoring", to);
        }
        owner_release(&job.owner);
        free(to);
        config_clear(&config);
    }
    free(from);
    return status;
}

// --- repair ---

struct repair {
    const struct args *args;
    const char *name;   // of the directory that is read, for people
    struct owner owner; // of that directory
    struct queue_config qc;
    struct queue_copy_to to;
    struct queue_repaired done;
    struct buf rows; // struct saved_row, as the child has them
    struct progress progress;
    struct table table;
    struct buf json;           // describes the tables, an array
    struct json_writer tables; // writes it
};

// What the child reports about a table. It is a copy: pointers into the child's memory
// would be invalid here.
struct saved_row {
    char environment[32], database[32];
    uint64_t n_records, n_damaged, n_lost;
};

static bool on_page(void *data, uint64_t done, uint64_t total)
{
    struct repair *r = data;

    return progress_go_on(&r->progress, done, total);
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
    struct saved_row row = { .n_records = s->n_records,
                             .n_damaged = s->n_damaged,
                             .n_lost = s->n_lost };

    snprintf(row.environment, sizeof(row.environment), "%s", s->environment);
    snprintf(row.database, sizeof(row.database), "%s", s->database);
    buf_put(&r->rows, &row, sizeof(row));
}

static void put_row(struct repair *r, const struct saved_row *s)
{
    if (!args_has(r->args, "json")) {
        table_printf(&r->table, "%s", s->environment);
        table_printf(&r->table, "%s", s->database);
        table_printf(&r->table, "%" PRIu64, s->n_records);
        table_printf(&r->table, "%" PRIu64, s->n_damaged);
        table_printf(&r->table, "%" PRIu64, s->n_lost);
        return;
    }
    json_open_object(&r->tables, NULL);
    json_put_text(&r->tables, "environment", s->environment);
    json_put_text(&r->tables, "database", s->database);
    json_put_u64(&r->tables, "records", s->n_records);
    json_put_u64(&r->tables, "damaged", s->n_damaged);
    json_put_u64(&r->tables, "lost", s->n_lost);
    json_close(&r->tables);
}

static void print_repaired_json(struct repair *r,
                                const struct queue_repaired *done)
{
    struct buf line;
    struct json_writer w = json_writer(&line);

    buf_init(&line, 0);
    json_close(&r->tables);
    json_open_object(&w, NULL);
    json_put_u64(&w, "records", done->n_records);
    json_put_u64(&w, "damaged", done->n_damaged);
    json_put_u64(&w, "lost", done->n_lost);
    json_put_u64(&w, "faults", done->n_faults);
    json_put_u64(&w, "shards", done->n_shards);
    json_put_raw(&w, "tables", buf_str(&r->json));
    json_close(&w);
    terminal_print_line(&line);
}

static void print_repaired(struct repair *r, const char *to,
                           const struct queue_repaired *done)
{
    if (args_has(r->args, "json")) {
        print_repaired_json(r, done);
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

// Runs in a child process, with the rights of the directory's owner.
static enum err repair_step(void *data, struct buf *out)
{
    struct repair *r = data;
    const struct queue_repair how = { .on_fault = on_page_fault,
                                      .on_saved = on_saved,
                                      .on_progress = on_page,
                                      .data = r };
    enum err err = queue_copy_enter(&r->to);

    if (err == OK)
        err = copying_become(r->args, r->name, &r->owner);
    if (err == OK)
        err = queue_repair(&r->qc, &r->to, &how, &r->done);
    if (err == OK)
        progress_end(&r->progress, r->progress.total);
    buf_put(out, &r->done, sizeof(r->done));
    buf_put_str(out, buf_str(&r->rows));
    return err;
}

static enum err repair_apart(struct repair *r, struct buf *why)
{
    struct saved_row row;
    struct buf out;
    enum err err;

    buf_init(&out, 0);
    err = queue_apart(repair_step, r, terminal_is_interrupted, &out, why);
    if (err == OK && out.n_bytes < sizeof(r->done))
        err = ERR_IO;
    if (err == OK)
        memcpy(&r->done, out.at, sizeof(r->done));
    for (size_t at = sizeof(r->done);
         err == OK && at + sizeof(row) <= out.n_bytes; at += sizeof(row)) {
        memcpy(&row, out.at + at, sizeof(row));
        put_row(r, &row);
    }
    buf_clear(&out);
    if (err == OK) // what comes now is short, and not left half done
        err = terminal_is_interrupted() ? ERR_AGAIN : queue_copy_finish(&r->to);
    return err;
}

static int repair_failed(const struct args *args, const char *from,
                         const char *to, enum err err, struct buf *why)
{
    if (why->n_bytes > 0 && !terminal_is_interrupted())
        return was_ended(args, to, why);
    if (err == ERR_BUSY) {
        return command_failed(args->command,
                              "an engine, or another repair, runs on %s; end "
                              "it first",
                              from);
    }
    return copying_failed(args, from, to, err);
}

static int repair_held(struct repair *r, const char *to)
{
    struct buf why;
    int status = EXIT_FAILED;
    enum err err;

    repair_owner(r->owner.path, &r->to);
    terminal_catch_interrupts();
    progress_begin(&r->progress, "repairing", "pages", 0);
    if (!copying_knows(r->args, r->qc.data_dir) ||
        !copying_begin(r->args, &r->owner, to, &r->to))
        return EXIT_FAILED;
    buf_init(&why, 0);
    err = repair_apart(r, &why);
    copying_end(&r->to);
    if (err == OK) {
        print_repaired(r, to, &r->done);
        status = 0;
    } else {
        status = repair_failed(r->args, r->name, to, err, &why);
    }
    buf_clear(&why);
    return status;
}

static int repair(const struct args *args, const char *from, const char *to,
                  uint64_t max_bytes)
{
    static const char *const titles[] = { "ENVIRONMENT", "TABLE", "SAVED",
                                          "SET ASIDE", "LOST" };
    char *for_dir = xstrdup(to);
    char *for_name = xstrdup(to);
    struct repair r = { .args = args,
                        .name = from,
                        .qc = { .max_bytes = max_bytes },
                        .to = { .parent = dirname(for_dir),
                                .name = basename(for_name) } };
    int status = EXIT_FAILED;

    table_init(&r.table, titles, 5, "1");
    buf_init(&r.json, 0);
    r.tables = json_writer(&r.json);
    json_open_array(&r.tables, NULL);
    buf_init(&r.rows, 0);
    if (copying_hold(args, from, &r.owner)) {
        r.qc.data_dir = r.owner.path;
        status = repair_held(&r, to);
    }
    owner_release(&r.owner);
    buf_clear(&r.rows);
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
    if (copying_is_new(args, "--to", to) &&
        locate_settings(args, data_dir, &config)) {
        status = repair(args, data_dir != NULL ? data_dir : config.data_dir, to,
                        config.max_queue_bytes);
        config_clear(&config);
    }
    free(to);
    return status;
}
