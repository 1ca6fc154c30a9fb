// SPDX-License-Identifier: MIT
// migrate.c — a start finds a data directory of format 4.
//
// Happy path: all that can be read goes record by record into DIR/format5, beside
// the old data, as in a repair; then FORMAT is set to 5, which is the moment in
// which the directory changes its format; then the new environments replace the old
// ones, which are removed.
//
// If it is killed: before FORMAT says 5, the next start begins anew, and the
// previous version can still use the directory; after that the next start continues
// the renaming, and the previous version refuses the directory because of its
// FORMAT. Damaged records are left out and listed in DIR/damaged-format4.jsonl;
// they stop nothing.

#include "queue/admin/migrate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/admin/environment_dir.h"
#include "queue/admin/repair.h"
#include "queue/lmdb/child.h"
#include "queue/lmdb/files.h"
#include "queue/lmdb/identity.h"
#include "queue/records/schema.h"

#define FRESH_NAME     "format5"
#define OLD_NAME       "format4.old"
#define DAMAGED_NAME   "damaged-format4.jsonl"
#define SAY_EVERY_US   INT64_C(2000000)
#define ROOM_MIN_BYTES (UINT64_C(64) << 20)

struct migrating {
    const struct queue_config *config;
    int64_t began_us, said_us;
    uint64_t n_faults;
};

static bool on_progress(void *data, uint64_t done, uint64_t total)
{
    struct migrating *g = data;
    int64_t now_us = clock_mono_us();

    if (now_us - g->said_us < SAY_EVERY_US)
        return true;
    g->said_us = now_us;
    log_info("conversion of the data directory continues",
             "format=%d pages=%" PRIu64 " of=%" PRIu64 " seconds=%" PRId64,
             FORMAT_VERSION, done, total, (now_us - g->began_us) / 1000000);
    return true;
}

static void on_fault(void *data, const char *what)
{
    struct migrating *g = data;

    g->n_faults++;
    log_warn("a record was damaged before the conversion", "what=%s",
             log_quote(str_of(what)));
}

static void on_saved(void *data, const struct queue_saved *saved)
{
    (void)data;
    if (saved->n_damaged + saved->n_lost > 0) {
        log_warn("some records of a table could not be converted",
                 "environment=%s table=%s converted=%" PRIu64
                 " damaged=%" PRIu64 " lost=%" PRIu64,
                 saved->environment, saved->database, saved->n_records,
                 saved->n_damaged, saved->n_lost);
    }
}

// --- room ---

static enum err sum_up_use(void *data, struct buf *out)
{
    const struct queue_config *config = data;
    uint64_t sum = 0;
    enum err err = OK;

    for (unsigned i = 0; i < config->n_shards + 2 && err == OK; i++) {
        struct part part = part_of(config, i);
        uint64_t n_bytes = 0;
        struct store *s;

        err = part_open(config, &part, true, &s);
        if (err == OK)
            err = store_usage_now(s, &n_bytes);
        if (err == ERR_NOTFOUND)
            err = OK;
        sum += n_bytes;
    }
    buf_put(out, (const char *)&sum, sizeof(sum));
    return err;
}

static uint64_t file_bytes(const struct queue_config *config)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < config->n_shards + 2; i++) {
        struct part part = part_of(config, i);
        char *path = xasprintf("%s/%s/data.mdb", config->data_dir, part.name);
        struct stat st;

        if (stat(path, &st) == 0)
            sum += (uint64_t)st.st_blocks * 512;
        free(path);
    }
    return sum;
}

// All data in use is written a second time before the old data is removed.
static enum err check_free_space(struct queue_config *config, struct buf *why)
{
    struct statvfs fs;
    struct buf out, ignored;
    uint64_t needed = 0;
    uint64_t there;

    buf_init(&out, 0);
    buf_init(&ignored, 0);
    if (queue_apart(sum_up_use, config, NULL, &out, &ignored) == OK &&
        out.n_bytes == sizeof(needed)) {
        memcpy(&needed, out.at, sizeof(needed));
    } else {
        needed = file_bytes(config); // damaged: assume all of the file
    }
    buf_clear(&ignored);
    buf_clear(&out);
    needed += needed / 8 + ROOM_MIN_BYTES;
    if (statvfs(config->data_dir, &fs) != 0)
        return OK;
    there = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (there >= needed)
        return OK;
    buf_printf(why, "converting the data directory from format %d to %d takes ",
               FORMAT_BEFORE, FORMAT_VERSION);
    buf_put_size(why, needed);
    buf_puts(why, " beside what is there, and ");
    buf_put_size(why, there);
    buf_puts(why, " are free; make room and start again, nothing was changed");
    return ERR_FULL;
}

// --- building ---

static enum err build(void *data, struct buf *why)
{
    struct migrating *g = data;
    char *dir = xasprintf("%s/" FRESH_NAME, g->config->data_dir);
    const struct queue_repair how = { .on_fault = on_fault,
                                      .on_saved = on_saved,
                                      .on_progress = on_progress,
                                      .data = g };
    const struct repair_to to = { .dir = dir,
                                  .is_in_place = true,
                                  .how = &how };
    struct queue_repaired done = { .n_records = 0 };
    enum err err = repair_into(g->config, &to, &done);

    if (err == ERR_FULL) {
        buf_puts(why, "the disk got full while the data directory was "
                      "converted to a new format; make room and start again, "
                      "nothing was changed");
    } else if (err == ERR_CONFLICT) {
        buf_puts(why, "what is in the data directory does not belong together; "
                      "put the right parts in their place, or repair");
    }
    if (err == OK)
        err = file_sync(dir);
    if (err == OK) {
        log_info("data directory converted",
                 "format=%d records=%" PRIu64 " damaged=%" PRIu64
                 " seconds=%" PRId64,
                 FORMAT_VERSION, done.n_records, done.n_damaged + done.n_lost,
                 (clock_mono_us() - g->began_us) / 1000000);
    }
    free(dir);
    return err;
}

enum err migrate(const struct queue_config *config, struct buf *why)
{
    struct queue_config there = *config;
    struct migrating g = { .config = &there, .began_us = clock_mono_us() };
    char *fresh = xasprintf("%s/" FRESH_NAME, config->data_dir);
    struct format f;
    enum err err;

    there.n_shards = 0;
    err = queue_n_shards(config->data_dir, &there.n_shards);
    if (err == OK || err == ERR_NOTFOUND)
        err = file_remove_tree(fresh); // left by a start that was killed
    if (err == OK)
        err = check_free_space(&there, why);
    if (err == OK) {
        log_info("the data directory is converted to a new format; only a "
                 "backup made before this can go back to the previous version",
                 "from=%d to=%d data_dir=%s", FORMAT_BEFORE, FORMAT_VERSION,
                 log_quote(str_of(config->data_dir)));
        err = queue_apart(build, &g, NULL, why, why);
    }
    if (err == OK)
        err = format_read(fresh, &f);
    if (err == OK)
        err = format_write(config->data_dir, &f);
    if (err != OK && file_remove_tree(fresh) != OK) {
        log_warn("an unfinished conversion cannot be removed", "path=%s",
                 log_quote(str_of(fresh)));
    }
    free(fresh);
    return err;
}

// --- taking its place ---

static enum err take_place(const char *dir, const char *name)
{
    char *fresh = xasprintf("%s/" FRESH_NAME "/%s", dir, name);
    char *current = xasprintf("%s/%s", dir, name);
    char *from = xasprintf(FRESH_NAME "/%s", name);
    char *to = xasprintf(OLD_NAME "/%s", name);
    enum err err = OK;

    if (file_is_there(fresh)) {
        if (file_is_there(current))
            err = file_rename(dir, name, to);
        if (err == OK)
            err = file_rename(dir, from, name);
    }
    free(to);
    free(from);
    free(current);
    free(fresh);
    return err;
}

static enum err take_list(const char *dir)
{
    char *list = xasprintf("%s/" FRESH_NAME "/damaged.jsonl", dir);
    enum err err = OK;

    if (file_is_there(list)) {
        err = file_rename(dir, FRESH_NAME "/damaged.jsonl", DAMAGED_NAME);
        log_warn("damaged records are listed in a file",
                 "path=%s/" DAMAGED_NAME, dir);
    }
    free(list);
    return err;
}

enum err migrate_finish(const char *dir)
{
    static const char *const names[] = { "events", "hooks", "deliveries" };
    char *fresh = xasprintf("%s/" FRESH_NAME, dir);
    char *old = xasprintf("%s/" OLD_NAME, dir);
    enum err err = OK;

    if (file_is_there(fresh)) {
        err = file_mkdir(old);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && err == OK;
             i++)
            err = take_place(dir, names[i]);
        if (err == OK)
            err = take_list(dir);
        if (err == OK)
            err = file_remove_tree(fresh);
    }
    if (err == OK)
        err = file_remove_tree(old);
    free(old);
    free(fresh);
    return err;
}
