// SPDX-License-Identifier: MIT
// compact.c — writes the environments of a data directory anew, without what was removed.
//
// LMDB leaves the bytes of what was deleted where they were: in free pages, in the gap of
// a page between its list of records and the records, behind a large value. Its own compact
// copy leaves out free pages, but copies the others whole. So records are copied here, one
// by one, into a new environment: nothing is in it, nor in the memory that is written to
// it, that is not a record of the old one.
//
// Happy path: each environment is checked page by page, copied into the directory
// `compact.tmp` inside its own, and exchanged by one rename.
//
// If it fails: the old file is in its place. What is left of the copy, the next compaction
// or the next start removes.

#include "queue/compact/compact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/base/mem.h"
#include "queue/admin/environment_dir.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/files.h"
#include "queue/lmdb/page_check.h"
#include "queue/lmdb/part.h"
#include "queue/lmdb/row_changes.h"

#define COPY_DIR "compact.tmp"

// A transaction holds its pages in memory until its commit.
#define BATCH_BYTES ((size_t)16 << 20)
// The copy takes what is in use, and a little more while it grows.
#define SPARE_BYTES (UINT64_C(16) << 20)
#define LOOK_EVERY  1024 // records between two looks at the progress

struct compaction {
    struct queue_config config;
    queue_progress on_progress;
    void *data;
    struct buf *why;
    uint64_t n_done, n_total; // records
    uint64_t n_copies_bytes;  // of all parts that were looked at
};

// --- the copy ---

struct copy {
    struct compaction *c;
    struct store *from, *to;
    MDB_txn *read, *write;
    size_t n_bytes; // in the open transaction
};

static enum err begin_batch(struct copy *k)
{
    k->n_bytes = 0;
    return store_write(k->to, &k->write);
}

static enum err end_batch(struct copy *k)
{
    MDB_txn *txn = k->write;

    k->write = NULL;
    return store_commit(k->to, txn);
}

static enum err put(struct copy *k, MDB_cursor **cursor, unsigned db,
                    MDB_val key, MDB_val val)
{
    enum err err = OK;
    int rc = 0;

    if (k->n_bytes >= BATCH_BYTES) {
        mdb_cursor_close(*cursor);
        *cursor = NULL;
        err = end_batch(k);
        if (err == OK)
            err = begin_batch(k);
    }
    if (err == OK && *cursor == NULL)
        rc = mdb_cursor_open(k->write, store_db(k->to, db), cursor);
    if (err == OK && rc == 0)
        rc = row_cursor_put(*cursor, &key, &val, MDB_APPEND);
    k->n_bytes += key.mv_size + val.mv_size;
    return err == OK ? store_err(k->to, rc, "copy record") : err;
}

static bool goes_on(struct compaction *c)
{
    return ++c->n_done % LOOK_EVERY != 0 || c->on_progress == NULL ||
           c->on_progress(c->data, c->n_done, c->n_total);
}

static enum err copy_table(struct copy *k, unsigned db)
{
    MDB_cursor *from;
    MDB_cursor *to = NULL;
    MDB_val key;
    MDB_val val;
    enum err err = OK;
    int rc;

    if (!store_has_table(k->from, db))
        return OK;
    rc = mdb_cursor_open(k->read, store_db(k->from, db), &from);
    if (rc != 0)
        return store_err(k->from, rc, "read records");
    while (err == OK &&
           (rc = mdb_cursor_get(from, &key, &val, MDB_NEXT)) == 0) {
        err = goes_on(k->c) ? put(k, &to, db, key, val) : ERR_AGAIN;
    }
    if (to != NULL)
        mdb_cursor_close(to);
    mdb_cursor_close(from);
    if (err == OK && rc != MDB_NOTFOUND)
        err = store_err(k->from, rc, "read records");
    return err;
}

// Whether both have as many records in each table.
static enum err compare(struct copy *k, size_t n_dbs)
{
    enum err err = begin_batch(k);

    for (unsigned db = 0; db < n_dbs && err == OK; db++) {
        MDB_stat before = { 0 };
        MDB_stat after = { 0 };
        int rc = 0;

        if (store_has_table(k->from, db))
            rc = mdb_stat(k->read, store_db(k->from, db), &before);
        if (rc == 0)
            rc = mdb_stat(k->write, store_db(k->to, db), &after);
        err = store_err(k->to, rc, "compare");
        if (err == OK && before.ms_entries != after.ms_entries)
            err = ERR_CORRUPT;
    }
    if (k->write != NULL)
        mdb_txn_abort(k->write);
    k->write = NULL;
    return err;
}

static enum err copy_tables(struct copy *k, size_t n_dbs)
{
    enum err err = begin_batch(k);

    for (unsigned db = 0; db < n_dbs && err == OK; db++)
        err = copy_table(k, db);
    if (err == OK) {
        err = end_batch(k);
    } else if (k->write != NULL) {
        mdb_txn_abort(k->write);
    }
    return err == OK ? compare(k, n_dbs) : err;
}

// --- one environment ---

// The map must hold the file, whatever the settings say.
static struct part wide_part(const struct compaction *c, unsigned i)
{
    struct part part = part_of(&c->config, i);
    char *path = xasprintf("%s/%s/data.mdb", c->config.data_dir, part.name);
    struct stat st;

    if (stat(path, &st) == 0 && part.map_bytes < (uint64_t)st.st_size * 2)
        part.map_bytes = (uint64_t)st.st_size * 2;
    free(path);
    return part;
}

static uint64_t disk_bytes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static enum err check_pages(struct compaction *c, const struct part *part)
{
    const struct page_check check = { .is_skeleton = false };
    enum err err = page_check_at_rest(c->config.data_dir, part, &check);

    if (err == ERR_CORRUPT) {
        buf_printf(c->why,
                   "%s is damaged; posthorn repair makes a sound directory of "
                   "all that can be read",
                   part->name);
    }
    return err;
}

// The files that are replaced stay open, and their blocks in use, until the end: there
// must be room for all copies together. All parts lie on one disk.
static enum err check_disk(struct compaction *c, const struct part *part,
                           struct store *from)
{
    uint64_t n_used = 0;
    struct statvfs fs;
    enum err err = store_usage_now(from, &n_used);

    c->n_copies_bytes += n_used;
    if (err != OK || statvfs(store_path(from), &fs) != 0 ||
        (uint64_t)fs.f_bavail * fs.f_frsize >= c->n_copies_bytes + SPARE_BYTES)
        return err;
    buf_printf(c->why,
               "the copies up to that of %s need %llu MiB of free disk space, "
               "and there are %llu MiB",
               part->name,
               (unsigned long long)(c->n_copies_bytes + SPARE_BYTES) >> 20,
               (unsigned long long)(fs.f_bavail * fs.f_frsize) >> 20);
    return ERR_FULL;
}

// A rename would replace a link, and leave the file that it leads to.
static enum err check_file(struct compaction *c, const struct part *part)
{
    char *path = xasprintf("%s/%s/data.mdb", c->config.data_dir, part->name);
    struct stat st;
    enum err err = lstat(path, &st) == 0 ? OK : ERR_NOTFOUND;

    if (err == OK && !S_ISREG(st.st_mode)) {
        buf_printf(c->why, "%s/data.mdb is a link, which cannot be exchanged",
                   part->name);
        err = ERR_INVALID;
    }
    free(path);
    return err;
}

static enum err copy_into(struct compaction *c, const struct part *part,
                          struct store *from, const char *dir)
{
    struct copy k = { .c = c, .from = from };
    enum err err = prepare_environment(dir, part->map_bytes, part->dbs,
                                       part->n_dbs, &k.to);

    if (err != OK)
        return err;
    err = store_read(from, &k.read);
    if (err != OK)
        return err;
    err = copy_tables(&k, part->n_dbs);
    store_read_end(from);
    return err;
}

// The new file gets the old one's name, at once and for good.
static enum err exchange(const char *dir)
{
    char *copy = xasprintf("%s/" COPY_DIR "/data.mdb", dir);
    enum err err = file_sync(copy);

    free(copy);
    return err == OK ? file_rename(dir, COPY_DIR "/data.mdb", "data.mdb") : err;
}

static enum err compact_part(struct compaction *c, const struct part *part,
                             struct store *from, struct compact_part *out)
{
    char *dir = xasprintf("%s/%s", c->config.data_dir, part->name);
    char *file = xasprintf("%s/data.mdb", dir);
    char *copy = xasprintf("%s/" COPY_DIR, dir);
    enum err err = file_remove_tree(copy);

    snprintf(out->name, sizeof(out->name), "%s", part->name);
    out->before_bytes = disk_bytes(file);
    if (err == OK)
        err = copy_into(c, part, from, copy);
    if (err == OK)
        err = exchange(dir);
    if (file_remove_tree(copy) != OK && err == OK)
        err = ERR_IO;
    out->after_bytes = disk_bytes(file);
    free(copy);
    free(file);
    free(dir);
    return err;
}

// --- all ---

static enum err count_records(struct compaction *c, const struct part *part,
                              struct store *from)
{
    MDB_txn *txn;
    enum err err = store_read(from, &txn);

    if (err != OK)
        return err;
    for (unsigned db = 0; db < part->n_dbs && err == OK; db++) {
        MDB_stat stat;

        if (!store_has_table(from, db))
            continue;
        err = store_err(from, mdb_stat(txn, store_db(from, db), &stat),
                        "count records");
        if (err == OK)
            c->n_total += stat.ms_entries;
    }
    store_read_end(from);
    return err;
}

// Checks everything before anything is changed.
static enum err prepare(struct compaction *c, unsigned n_parts,
                        struct store **stores)
{
    enum err err = compact_clean(c->config.data_dir);

    for (unsigned i = 0; i < n_parts && err == OK; i++) {
        const struct part part = wide_part(c, i);

        err = check_file(c, &part);
        if (err == OK)
            err = check_pages(c, &part);
        if (err == OK)
            err = part_open(&c->config, &part, true, &stores[i]);
        if (err == OK)
            err = check_disk(c, &part, stores[i]);
        if (err == OK)
            err = count_records(c, &part, stores[i]);
    }
    return err;
}

enum err compact_clean(const char *data_dir)
{
    struct queue_config config = { .data_dir = data_dir };
    enum err err = queue_n_shards(data_dir, &config.n_shards);

    if (err != OK)
        return err == ERR_NOTFOUND ? OK : err;
    for (unsigned i = 0; i < config.n_shards + 2 && err == OK; i++) {
        const struct part part = part_of(&config, i);
        char *path = xasprintf("%s/%s/" COPY_DIR, data_dir, part.name);

        err = file_remove_tree(path);
        free(path);
    }
    return err;
}

enum err queue_compact(const char *data_dir, uint64_t max_bytes,
                       queue_progress on_progress, void *data,
                       struct compact_result *out, struct buf *why)
{
    struct compaction c = { .config = { .data_dir = data_dir,
                                        .max_bytes = max_bytes },
                            .on_progress = on_progress,
                            .data = data,
                            .why = why };
    struct store *stores[COMPACT_PARTS_MAX] = { NULL };
    unsigned n_shards = 0;
    enum err err = queue_n_shards(data_dir, &n_shards);

    memset(out, 0, sizeof(*out));
    if (err != OK)
        return err;
    c.config.n_shards = n_shards;
    err = prepare(&c, n_shards + 2, stores);
    for (unsigned i = 0; i < n_shards + 2 && err == OK; i++) {
        const struct part part = wide_part(&c, i);

        err = compact_part(&c, &part, stores[i], &out->parts[i]);
        out->n += err == OK;
    }
    return err;
}
