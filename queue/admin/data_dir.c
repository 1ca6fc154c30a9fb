// SPDX-License-Identifier: MIT
// data_dir.c — makes a data directory, or checks an existing one.
//
// Everything is made under a temporary name, synced, and renamed: a start that is
// killed leaves nothing half done. Names that end in ".tmp" are removed;
// "deliveries.new" is complete and only has to be renamed.

#include "queue/admin/data_dir.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "queue/admin/environment_dir.h"
#include "queue/admin/migrate.h"
#include "queue/admin/reshard.h"
#include "queue/chain/chain_mark.h"
#include "queue/event_rows/log_end.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/files.h"
#include "queue/lmdb/identity.h"
#include "queue/lmdb/part.h"
#include "queue/records/schema.h"
#include "queue/sealing/key_check.h"

#define FREE_MIN_BYTES (UINT64_C(64) << 20)

// --- is it ours? ---

static bool is_ours(const char *name)
{
    static const char *const names[] = {
        ".",
        "..",
        "FORMAT",
        "FORMAT.tmp",
        "admin.token",
        "admin.token.tmp",
        "lock",
        "lost+found",
        "secret.key",
        "secret.key.tmp",
        "engine.json",
        "engine.json.tmp",
        "engine.secret",
        "sessions",
        "sessions.tmp",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static enum err check_is_empty(const char *dir, struct buf *why)
{
    DIR *entries = opendir(dir);
    struct dirent *entry;
    enum err err = OK;

    if (entries == NULL) {
        buf_printf(why, "%s cannot be read", dir);
        return ERR_DENIED;
    }
    while (err == OK && (entry = readdir(entries)) != NULL) {
        if (is_ours(entry->d_name))
            continue;
        buf_printf(why,
                   "%s is not a posthorn data directory and not empty (it "
                   "holds %s); choose another data_dir",
                   dir, entry->d_name);
        err = ERR_INVALID;
    }
    closedir(entries);
    return err;
}

static enum err check_format(const char *dir, struct buf *why)
{
    struct format f;

    if (format_read(dir, &f) != OK) {
        buf_printf(why, "%s/FORMAT cannot be read", dir);
        return ERR_DENIED;
    }
    if (strcmp(f.name, FORMAT_NAME) != 0 || f.version == 0) {
        buf_printf(why,
                   "%s/FORMAT does not say that this is a posthorn data "
                   "directory",
                   dir);
        return ERR_INVALID;
    }
    if (f.version != FORMAT_VERSION && f.version != FORMAT_BEFORE) {
        buf_printf(why,
                   "the data directory has format %u, this program knows %d "
                   "and %d; use %s",
                   f.version, FORMAT_BEFORE, FORMAT_VERSION,
                   f.version > FORMAT_VERSION
                       ? "a newer posthorn"
                       : "another directory: that format was never released");
        return ERR_INVALID;
    }
    return OK;
}

static enum err check_free_space(const char *dir, struct buf *why)
{
    struct statvfs fs;

    if (statvfs(dir, &fs) == 0 &&
        (uint64_t)fs.f_bavail * fs.f_frsize >= FREE_MIN_BYTES)
        return OK;
    buf_printf(why, "less than 64 MiB are free where %s lies", dir);
    return ERR_FULL;
}

static enum err explain(enum err err, const char *dir, const char *what,
                        struct buf *why)
{
    if (err != OK && why->n_bytes == 0) {
        buf_printf(why, "%s in %s: %s", what, dir,
                   err == ERR_DENIED
                       ? "not permitted (is it read-only, or somebody else's?)"
                       : err_str(err));
    }
    return err;
}

static enum err check_writable(const char *dir, struct buf *why)
{
    char *path = xasprintf("%s/FORMAT", dir);
    struct format fresh = { .has_id = false };
    enum err err;

    if (access(dir, R_OK | W_OK | X_OK) != 0) {
        buf_printf(why,
                   "%s cannot be written; data_dir must be a directory that "
                   "this user may write",
                   dir);
        free(path);
        return ERR_DENIED;
    }
    if (file_is_there(path)) {
        err = check_format(dir, why);
    } else {
        err = check_is_empty(dir, why);
        if (err == OK)
            err = check_free_space(dir, why);
        format_make_id(&fresh);
        if (err == OK) {
            err = explain(format_write(dir, &fresh), dir,
                          "FORMAT cannot be written", why);
        }
    }
    free(path);
    return err;
}

// --- making ---

static enum err make_environment(const struct queue_config *config,
                                 const char *name, const char *const *names,
                                 size_t n_names, struct buf *why)
{
    char *path = xasprintf("%s/%s", config->data_dir, name);
    char *temporary_name = xasprintf("%s.tmp", name);
    char *temporary = xasprintf("%s/%s", config->data_dir, temporary_name);
    struct store *store;
    enum err err = file_remove_tree(temporary);

    if (err == OK && !file_is_there(path)) {
        err = check_free_space(config->data_dir, why);
        if (err == OK) {
            err = prepare_environment(temporary, config->max_bytes, names,
                                      n_names, &store);
        }
        if (err == OK)
            err = file_rename(config->data_dir, temporary_name, name);
    }
    err = explain(err, config->data_dir, "the queue cannot be made", why);
    free(path);
    free(temporary_name);
    free(temporary);
    return err;
}

static enum err make_deliveries(const struct queue_config *config,
                                struct buf *why)
{
    char *path = xasprintf("%s/deliveries.tmp", config->data_dir);
    enum err err = check_free_space(config->data_dir, why);

    if (err == OK)
        err = file_remove_tree(path);
    if (err == OK)
        err = file_mkdir(path);
    for (unsigned k = 0; k < config->n_shards && err == OK; k++) {
        char *shard = xasprintf("%s/%u", path, k);
        struct store *store;

        err = prepare_environment(shard, store_shard_map(config->max_bytes),
                                  shard_dbs, SHARD_DBS, &store);
        free(shard);
    }
    if (err == OK)
        err = file_sync(path);
    if (err == OK)
        err = file_rename(config->data_dir, "deliveries.tmp", "deliveries");
    free(path);
    return explain(err, config->data_dir, "the queue cannot be made", why);
}

// "deliveries.new" is complete: it replaces the old shards.
static enum err finish_swap(const char *dir)
{
    char *fresh = xasprintf("%s/deliveries.new", dir);
    char *current = xasprintf("%s/deliveries", dir);
    char *old = xasprintf("%s/deliveries.old", dir);
    enum err err = OK;

    if (file_is_there(fresh)) {
        if (file_is_there(current)) {
            err = file_remove_tree(old);
            if (err == OK)
                err = file_rename(dir, "deliveries", "deliveries.old");
        }
        if (err == OK)
            err = file_rename(dir, "deliveries.new", "deliveries");
    }
    if (err == OK)
        err = file_remove_tree(old);
    free(fresh);
    free(current);
    free(old);
    return err;
}

static enum err fit_shards(const struct queue_config *config, struct buf *why)
{
    unsigned n = 0;
    enum err err = queue_n_shards(config->data_dir, &n);

    if (err == ERR_NOTFOUND)
        return make_deliveries(config, why);
    if (err == OK && n != config->n_shards) {
        err = reshard(config, n);
        if (err == OK)
            err = finish_swap(config->data_dir);
    }
    return explain(err, config->data_dir, "dispatchers cannot be changed", why);
}

// Gives an id and a key to a directory that is older than these.
static enum err give_id(const struct queue_config *config)
{
    struct format f;
    enum err err = format_read(config->data_dir, &f);

    if (err != OK || (f.has_id && f.has_key))
        return err;
    if (f.has_id) {
        struct format made = f;

        format_make_id(&made);
        memcpy(f.key, made.key, sizeof(f.key));
        f.has_key = true;
        return format_write(config->data_dir, &f);
    }
    format_make_id(&f);
    return format_write(config->data_dir, &f);
}

// Makes the tables that an earlier version of the program did not make.
static enum err complete_tables(const struct queue_config *config, unsigned n)
{
    enum err err = OK;

    for (unsigned k = 0; k < n && err == OK; k++) {
        struct part part = part_of(config, k + 2);
        struct store *store;

        err = part_open(config, &part, false, &store);
    }
    return err;
}

// A copy of a cluster's directory must not go its own way.
static enum err check_is_own(const struct queue_config *config, struct buf *why)
{
    const struct part part = part_of(config, 0);
    struct chain_point at;
    struct store *store;
    MDB_txn *txn;
    enum err err = part_open(config, &part, false, &store);

    if (err == OK)
        err = store_read(store, &txn);
    if (err != OK)
        return err == ERR_NOTFOUND ? OK : err;
    err = chain_mark_get(store, txn, part.meta_db, &at);
    store_read_end(store);
    if (err == ERR_NOTFOUND)
        return OK;
    buf_puts(why, "data_dir is a copy of a cluster's; set cluster and node, or "
                  "make it a directory of its own with `posthorn cluster "
                  "detach`");
    return ERR_INVALID;
}

// Checks that the parts belong together, as an earlier start left them.
static enum err check_parts(const struct queue_config *config, struct buf *why)
{
    unsigned n = 0;
    enum err err = give_id(config);

    if (err == OK)
        err = finish_swap(config->data_dir);
    if (err == OK)
        err = queue_n_shards(config->data_dir, &n);
    if (err == OK)
        err = complete_tables(config, n);
    if (err == OK || err == ERR_NOTFOUND)
        err = identity_check_parts(config, n, true, why);
    if (err == OK && n > 0 && !config->is_replicated)
        err = check_is_own(config, why);
    return explain(err, config->data_dir, "the queue cannot be read", why);
}

enum err queue_check(const struct queue_config *config, struct buf *why)
{
    enum err err = file_mkdir(config->data_dir);

    err = explain(err, config->data_dir, "data_dir cannot be made", why);
    return err == OK ? check_writable(config->data_dir, why) : err;
}

// Converts to this format. An unfinished swap of format 4 is finished first.
static enum err bring_up(const struct queue_config *config, struct buf *why)
{
    struct format f;
    enum err err = format_read(config->data_dir, &f);

    if (err == OK && f.version == FORMAT_BEFORE) {
        err = finish_swap(config->data_dir);
        if (err == OK)
            err = migrate(config, why);
    }
    if (err == OK)
        err = migrate_finish(config->data_dir);
    return explain(err, config->data_dir,
                   "the data directory cannot be converted to a new format",
                   why);
}

enum err queue_prepare(const struct queue_config *config, struct buf *why)
{
    enum err err = queue_check(config, why);

    if (err == OK)
        err = bring_up(config, why);
    if (err == OK)
        err = check_parts(config, why);
    if (err == OK)
        err = make_environment(config, "events", events_dbs, EVENTS_DBS, why);
    if (err == OK)
        err = make_environment(config, "hooks", hooks_dbs, HOOKS_DBS, why);
    if (err == OK && config->keys != NULL) {
        err = explain(seals_check(config, why), config->data_dir,
                      "secrets cannot be checked", why);
    }
    if (err == OK)
        err = fit_shards(config, why);
    if (err == OK) {
        err = explain(identity_complete(config), config->data_dir,
                      "the queue cannot be marked", why);
    }
    if (err == OK) {
        err = explain(log_end_fit(config), config->data_dir,
                      "the queue cannot be read", why);
    }
    return err;
}

enum err queue_check_format(const char *data_dir, struct buf *why)
{
    struct format f;

    if (format_read(data_dir, &f) != OK || strcmp(f.name, FORMAT_NAME) != 0 ||
        f.version == 0 || f.version == FORMAT_VERSION ||
        f.version == FORMAT_BEFORE)
        return OK;
    buf_printf(why,
               "%s has format %u, and this program reads %d and %d; use %s",
               data_dir, f.version, FORMAT_BEFORE, FORMAT_VERSION,
               f.version > FORMAT_VERSION
                   ? "a newer posthorn"
                   : "another directory: that format was never released");
    return ERR_INVALID;
}
