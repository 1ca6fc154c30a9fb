// SPDX-License-Identifier: MIT
// verify.c — `posthorn verify`: checks a data directory and its balance.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/cli/core/commands.h"
#include "api/cli/core/locate.h"
#include "api/cli/core/terminal.h"
#include "api/cli/directory/export_lines.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "common/encoding/json_writer.h"
#include "common/files/keyring.h"
#include "common/files/owner.h"
#include "common/files/payload_keys.h"
#include "common/log/journal.h"
#include "queue/queue.h"

struct verifying {
    const char *name; // of the data directory
    struct queue_config qc;
    struct progress progress;
    struct queue_report report;
};

static bool on_progress(void *data, uint64_t done, uint64_t total)
{
    struct verifying *v = data;

    return progress_go_on(&v->progress, done, total);
}

static void put_fault(void *data, const char *what)
{
    (void)data;
    fprintf(stderr, "%sposthorn verify: %s\n", journal_prefix(JOURNAL_ERR),
            what);
}

static bool is_balanced(const struct queue_report *r)
{
    return r->n_faults == 0 && r->matched == r->delivered + r->cancelled +
                                                 r->dead_expired + r->dead +
                                                 r->pending;
}

struct figure {
    const char *name;
    int64_t value;
    const char *meaning;
};

static void print_figures(const struct figure *figures, size_t n, bool is_good)
{
    for (size_t i = 0; i < n; i++) {
        printf("%-11s %12" PRId64 "  %s\n", figures[i].name, figures[i].value,
               figures[i].meaning);
    }
    printf("%s\n", is_good ? "It adds up."
                           : "It does NOT add up, or records are damaged.");
}

static void print_figures_json(const struct figure *figures, size_t n,
                               bool is_good)
{
    struct buf line;
    struct json_writer w = json_writer(&line);

    buf_init(&line, 0);
    json_open_object(&w, NULL);
    for (size_t i = 0; i < n; i++)
        json_put_i64(&w, figures[i].name, figures[i].value);
    json_put_bool(&w, "balanced", is_good);
    json_close(&w);
    terminal_print_line(&line);
}

static void print_report(const struct queue_report *r, bool is_json)
{
    // Where nothing is sealed, there is nothing to tell of keys.
    const size_t n_left_out = r->n_sealed == 0 ? 2 : 0;
    const struct figure figures[] = {
        { "accepted", (int64_t)r->n_accepted, "events, since the beginning" },
        { "unmatched", (int64_t)r->n_unmatched,
          "of them, not compared with the hooks yet" },
        { "missing", (int64_t)r->n_missing,
          "of them, lost: the event log was older than the rest" },
        { "matched", r->matched, "deliveries made of them" },
        { "delivered", r->delivered, "answered 2xx" },
        { "dead", r->dead, "dead letters that wait for somebody" },
        { "expired", r->dead_expired, "dead letters that retention removed" },
        { "cancelled", r->cancelled, "hook deleted or switched off" },
        { "pending", r->pending, "wait for an attempt" },
        { "hooks", (int64_t)r->n_hooks, "" },
        { "faults", (int64_t)r->n_faults, "damaged records, wrong counts" },
        { "sealed", (int64_t)r->n_sealed, "events with an encrypted payload" },
        { "locked", (int64_t)r->n_locked,
          "of them, without a key in payload_keys_dir" },
    };

    const size_t n = sizeof(figures) / sizeof(figures[0]) - n_left_out;

    if (is_json) {
        print_figures_json(figures, n, is_balanced(r));
    } else {
        print_figures(figures, n, is_balanced(r));
    }
}

// In a child process: a damaged page may end it.
static enum err verify_step(void *data, struct buf *out)
{
    struct verifying *v = data;
    enum err err = queue_verify(&v->qc, put_fault, on_progress, v, &v->report);

    if (err == OK)
        progress_end(&v->progress, v->progress.total);
    buf_put(out, &v->report, sizeof(v->report));
    return err;
}

static int verified(const struct args *args, const struct verifying *v)
{
    bool is_good = is_balanced(&v->report);

    print_report(&v->report, args_has(args, "json"));
    if (v->report.n_faults > 0) {
        fprintf(stderr,
                "posthorn verify: everything that can be read goes into a new "
                "directory with `posthorn repair --data-dir %s --to NEW_DIR`\n",
                v->name);
    }
    return is_good ? 0 : EXIT_FAILED;
}

static int verify_failed(const struct args *args, const char *data_dir,
                         enum err err, struct buf *why)
{
    if (err == ERR_AGAIN) {
        return command_failed(args->command,
                              "interrupted; nothing was changed");
    }
    if (why->n_bytes > 0 && err != ERR_CORRUPT) {
        return command_failed(args->command, "%s was not verified: %s",
                              data_dir, buf_cstr(why));
    }
    if (why->n_bytes > 0) {
        return command_failed(
            args->command,
            "%s: %s; `posthorn repair --data-dir %s --to NEW_DIR` saves what "
            "can be read",
            data_dir, buf_cstr(why), data_dir);
    }
    return command_failed(args->command, "%s cannot be read: %s", data_dir,
                          err_str(err));
}

// Opens the keys of payloads, if there are any: without them, sealed payloads count as
// locked.
static void open_payload_keys(const struct config *config,
                              struct queue_config *qc)
{
    char *path = keyring_path(config->secret_key_file, qc->data_dir);
    struct buf why;

    buf_init(&why, 0);
    if (config->payload_keys_dir[0] != '\0' &&
        (keyring_read(path, &qc->keys, &why) != OK ||
         payload_keys_open(config->payload_keys_dir, qc->keys, false,
                           &qc->payload_keys, &why) != OK))
        put_fault(NULL, buf_cstr(&why));
    buf_clear(&why);
    free(path);
}

// Verifies `data_dir`; messages call it `name`.
static int verify(const struct args *args, const char *data_dir,
                  const char *name, const struct config *config)
{
    struct verifying v = { .name = name,
                           .qc = { .data_dir = data_dir,
                                   .max_bytes = config->max_queue_bytes } };
    struct buf out;
    struct buf why;
    enum err err = queue_n_shards(data_dir, &v.qc.n_shards);
    int status;

    if (err == ERR_NOTFOUND) {
        return command_failed(args->command, "there is no queue in %s", name);
    }
    buf_init(&out, 0);
    buf_init(&why, 0);
    if (queue_check_format(data_dir, &why) != OK) {
        status = command_failed(args->command, "%s", buf_cstr(&why));
        buf_clear(&why);
        return status;
    }
    open_payload_keys(config, &v.qc);
    terminal_catch_interrupts();
    progress_begin(&v.progress, "verifying", "records", 0);
    if (err == OK)
        err = queue_apart(verify_step, &v, terminal_is_interrupted, &out, &why);
    if (err == OK && out.n_bytes == sizeof(v.report)) {
        memcpy(&v.report, out.at, sizeof(v.report));
        status = verified(args, &v);
    } else {
        status = verify_failed(args, name, err, &why);
    }
    buf_clear(&out);
    buf_clear(&why);
    payload_keys_free(v.qc.payload_keys);
    keyring_free(v.qc.keys);
    return status;
}

// Verifies with the rights of the directory's owner: root would follow any link in it.
static int verify_as_owner(const struct args *args, const char *data_dir,
                           const struct config *config)
{
    struct owner owner;
    struct buf why;
    int status;

    buf_init(&why, 0);
    if (owner_hold(data_dir, &owner, &why) == ERR_NOTFOUND) {
        status =
            command_failed(args->command, "there is no queue in %s", data_dir);
    } else if (owner.path == NULL || !owner_become(&owner, &why)) {
        status =
            command_failed(args->command, "%s %s", data_dir, buf_cstr(&why));
    } else {
        status = verify(args, owner.path, data_dir, config);
    }
    owner_release(&owner);
    buf_clear(&why);
    return status;
}

int command_verify(const struct args *args)
{
    const char *path =
        args->n_operands > 0 ? args->operands[0] : args_text(args, "data-dir");
    struct config config;
    struct stat st;
    int status = EXIT_FAILED;

    if (path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode))
        return export_verify(args, path);
    if (locate_settings(args, path, &config)) {
        status = verify_as_owner(args, path != NULL ? path : config.data_dir,
                                 &config);
        config_clear(&config);
    }
    return status;
}
