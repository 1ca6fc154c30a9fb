// SPDX-License-Identifier: MIT
// cluster_parts.c — the parts of a data directory into a cluster's journal, and back.
//
// Happy path: an import writes a snapshot of each part at the beginning of its chain, gives
// each part the mark of that point, and at last stores the identity. A node that joins
// makes each part that it lacks beside its place, from the snapshot, and renames it.
//
// If it fails: without the identity there is no cluster, and an import can be made again. A
// part that is not whole lies beside its place, and is removed by the next try.

#include "queue/cluster/cluster_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/admin/environment_dir.h"
#include "queue/chain/chain_mark.h"
#include "queue/chain/chain_snapshot.h"
#include "queue/journal/journal.h"
#include "queue/lmdb/files.h"
#include "queue/lmdb/identity.h"
#include "queue/lmdb/part.h"

#define CHECK_MS 3000

static unsigned n_parts(const struct queue_config *config)
{
    return config->n_shards + 2;
}

static enum err explain(enum err err, const char *what, struct buf *why)
{
    if (err != OK && why->n_bytes == 0)
        buf_printf(why, "%s: %s", what, err_str(err));
    return err;
}

static struct chain_snapshot_job snapshot_of(const struct cluster_job *job,
                                             unsigned i, struct store *s)
{
    return (struct chain_snapshot_job){
        .journal = job->journal,
        .chain = i,
        .keys = job->config->keys,
        .store = s,
        .meta_db = part_of(job->config, i).meta_db,
        .may_go_on = job->may_go_on,
        .data = job->data,
    };
}

// --- marks ---

static enum err get_mark(struct store *s, const struct part *part,
                         struct chain_point *out)
{
    MDB_txn *txn;
    enum err err = store_read(s, &txn);

    if (err != OK)
        return err;
    err = chain_mark_get(s, txn, part->meta_db, out);
    store_read_end(s);
    return err;
}

static enum err put_mark(struct store *s, const struct part *part)
{
    const struct chain_point begin = { .seq = 0 };
    MDB_txn *txn;
    enum err err = store_write(s, &txn);

    if (err != OK)
        return err;
    return store_write_end(s, txn,
                           chain_mark_put(s, txn, part->meta_db, &begin));
}

// A directory that was made a moment ago has none.
static bool has_parts(const struct queue_config *config)
{
    bool is_there = false;

    for (unsigned i = 0; i < n_parts(config) && !is_there; i++) {
        char *path =
            xasprintf("%s/%s", config->data_dir, part_of(config, i).name);

        is_there = file_is_there(path);
        free(path);
    }
    return is_there;
}

enum err cluster_is_copy(const struct queue_config *config, bool *is_copy)
{
    enum err err = has_parts(config) ? OK : ERR_NOTFOUND;

    *is_copy = false;
    for (unsigned i = 0; i < n_parts(config) && err == OK && !*is_copy; i++) {
        const struct part part = part_of(config, i);
        struct chain_point at;
        struct store *s;

        err = part_open(config, &part, true, &s);
        if (err == OK)
            err = get_mark(s, &part, &at);
        *is_copy = err == OK;
        if (err == ERR_NOTFOUND) // no part, or no mark
            err = OK;
    }
    return err;
}

// --- importing ---

static enum err import_part(const struct cluster_job *job, unsigned i)
{
    const struct part part = part_of(job->config, i);
    struct chain_snapshot_job snapshot;
    struct chain_snapshot made = { .n_bytes = 0 };
    struct store *s;
    enum err err = part_open(job->config, &part, false, &s);

    if (err != OK)
        return err;
    job->on_progress(job->data, part.name, 0, false);
    snapshot = snapshot_of(job, i, s);
    err = chain_snapshot_write(&snapshot, &made);
    if (err == OK)
        job->on_progress(job->data, part.name, made.n_bytes, true);
    return err;
}

static enum err mark_parts(const struct cluster_job *job)
{
    enum err err = OK;

    for (unsigned i = 0; i < n_parts(job->config) && err == OK; i++) {
        const struct part part = part_of(job->config, i);
        struct store *s;

        err = part_open(job->config, &part, false, &s);
        if (err == OK)
            err = put_mark(s, &part);
    }
    return err;
}

static enum err put_identity(const struct cluster_job *job)
{
    struct cluster_identity identity;
    struct cluster_identity there;
    enum err err = cluster_identity_read(job->config, &identity);

    if (err != OK)
        return err;
    do {
        err = cluster_identity_put(job->journal, job->config->keys, &identity);
        // The answer to the try before may have been lost.
        if (err == ERR_EXISTS &&
            cluster_identity_get(job->journal, job->config->keys, &there) ==
                OK &&
            memcmp(there.id, identity.id, sizeof(there.id)) == 0)
            err = OK;
    } while (err == ERR_AGAIN && job->may_go_on(job->data));
    return err;
}

// A chain that has entries is of another directory.
static enum err check_empty(const struct cluster_job *job, struct buf *why)
{
    enum err err = ERR_NOTFOUND;

    for (unsigned i = 0; i < n_parts(job->config) && err == ERR_NOTFOUND; i++) {
        uint8_t id[JOURNAL_ENTRY_ID];
        uint64_t seq;

        err = journal_last(job->journal, i, CHECK_MS, &seq, id);
    }
    if (err == OK) {
        buf_puts(why, "the journal holds what is left of a cluster; remove "
                      "its streams, or choose other servers");
        return ERR_EXISTS;
    }
    return err == ERR_NOTFOUND
               ? OK
               : explain(err, "the journal cannot be read", why);
}

enum err cluster_import(const struct cluster_job *job, struct buf *why)
{
    struct cluster_identity there;
    enum err err =
        cluster_identity_get(job->journal, job->config->keys, &there);

    if (err == OK || err == ERR_DENIED) {
        buf_puts(why, "the journal holds a cluster already");
        return ERR_EXISTS;
    }
    if (err != ERR_NOTFOUND)
        return explain(err, "the journal cannot be read", why);
    err = check_empty(job, why);
    for (unsigned i = 0; i < n_parts(job->config) && err == OK; i++)
        err = import_part(job, i);
    // An import that was interrupted, of another directory, may have left some.
    if (err == ERR_CONFLICT)
        buf_puts(why, "somebody else imports into this journal");
    err = explain(err, "a snapshot cannot be written", why);
    if (err == OK)
        err = explain(mark_parts(job), "the parts cannot be marked", why);
    return err == OK ? explain(put_identity(job),
                               "the identity cannot be stored", why)
                     : err;
}

// --- the note of a cluster that is being made ---

#define MAKING "cluster.making"

enum err cluster_begin_making(const struct queue_config *config)
{
    return file_write(config->data_dir, MAKING, "");
}

bool cluster_is_making(const struct queue_config *config)
{
    char *path = xasprintf("%s/" MAKING, config->data_dir);
    bool is = file_is_there(path);

    free(path);
    return is;
}

void cluster_end_making(const struct queue_config *config)
{
    char *path = xasprintf("%s/" MAKING, config->data_dir);

    if (unlink(path) != 0 && errno != ENOENT) {
        log_warn("a file cannot be removed", "path=%s errno=%d",
                 log_quote(str_of(path)), errno);
    }
    free(path);
}

// --- joining ---

static enum err load_part(const struct cluster_job *job, unsigned i)
{
    const struct part part = part_of(job->config, i);
    char *temporary = xasprintf("%s.tmp", part.name);
    char *path = xasprintf("%s/%s", job->config->data_dir, temporary);
    struct chain_snapshot_job snapshot;
    struct store *s;
    enum err err = file_remove_tree(path);

    job->on_progress(job->data, part.name, 0, false);
    if (err == OK) {
        err =
            prepare_environment(path, part.map_bytes, part.dbs, part.n_dbs, &s);
    }
    if (err == OK) {
        snapshot = snapshot_of(job, i, s);
        err = chain_snapshot_load(&snapshot);
    }
    if (err == OK)
        err = file_rename(job->config->data_dir, temporary, part.name);
    if (err == OK)
        job->on_progress(job->data, part.name, 0, true);
    free(path);
    free(temporary);
    return err;
}

// ERR_NOTFOUND: it is not there. ERR_CONFLICT: it is nobody's copy; `why` says so.
static enum err check_part(const struct cluster_job *job,
                           const struct part *part, struct buf *why)
{
    char *path = xasprintf("%s/%s", job->config->data_dir, part->name);
    struct chain_point at;
    struct store *s;
    enum err err = file_is_there(path) ? OK : ERR_NOTFOUND;

    if (err == OK) {
        err = part_open(job->config, part, false, &s);
        if (err == OK)
            err = get_mark(s, part, &at);
        if (err == ERR_NOTFOUND) {
            buf_printf(why,
                       "%s is not a copy of the cluster's; move it away, or "
                       "choose another data_dir",
                       path);
            err = ERR_CONFLICT;
        }
        if (err != ERR_CORRUPT)
            err = explain(err, path, why);
    }
    free(path);
    return err;
}

// Checks a part that is there, and makes one that is not, or that is damaged.
static enum err join_part(const struct cluster_job *job, unsigned i,
                          struct buf *why)
{
    const struct part part = part_of(job->config, i);
    enum err err = check_part(job, &part, why);

    if (err == ERR_CORRUPT) {
        err = explain(cluster_drop_part(job->config, i),
                      "a damaged part cannot be removed", why);
        // LMDB has its files open, so another process makes it; this one does not end as
        // one whose data is damaged, since that would end the engine.
        if (err == OK) {
            log_set_fatal_status(EXIT_FAILURE);
            log_fatal("a damaged part is made anew from the cluster", "part=%s",
                      part.name);
        }
    }
    if (err != ERR_NOTFOUND)
        return err;
    do {
        err = load_part(job, i);
    } while (err == ERR_GONE && job->may_go_on(job->data));
    return explain(err, "a part cannot be made from its snapshot", why);
}

static enum err join_format(const struct cluster_job *job,
                            const struct cluster_identity *identity,
                            struct buf *why)
{
    const char *dir = job->config->data_dir;
    struct format f;
    enum err err = format_read(dir, &f);

    if (err == ERR_NOTFOUND || (err == OK && !has_parts(job->config))) {
        f = (struct format){ .has_id = true,
                             .is_complete = true,
                             .has_key = true };
        memcpy(f.id, identity->id, sizeof(f.id));
        memcpy(f.key, identity->key, sizeof(f.key));
        return explain(format_write(dir, &f), "FORMAT cannot be written", why);
    }
    if (err == OK &&
        (!f.has_id || memcmp(f.id, identity->id, sizeof(f.id)) != 0)) {
        buf_printf(why,
                   "%s is not of this cluster; choose an empty data_dir, or "
                   "another cluster for `posthorn cluster import`",
                   dir);
        return ERR_CONFLICT;
    }
    return explain(err, "FORMAT cannot be read", why);
}

// All nodes have the same one, so that whoever has it can use any node.
static enum err join_token(const struct cluster_job *job,
                           const struct cluster_identity *identity,
                           struct buf *why)
{
    struct cluster_identity here;
    char *text;
    enum err err;

    if (identity->admin_token[0] == '\0' ||
        (cluster_identity_read(job->config, &here) == OK &&
         strcmp(here.admin_token, identity->admin_token) == 0))
        return OK;
    text = xasprintf("%s\n", identity->admin_token);
    err = file_write(job->config->data_dir, "admin.token", text);
    free(text);
    return explain(err, "admin.token cannot be written", why);
}

enum err cluster_join(const struct cluster_job *job,
                      const struct cluster_identity *identity, struct buf *why)
{
    char *shards = xasprintf("%s/deliveries", job->config->data_dir);
    enum err err = join_format(job, identity, why);

    if (err == OK)
        err = explain(file_mkdir(shards), "data_dir cannot be written", why);
    for (unsigned i = 0; i < n_parts(job->config) && err == OK; i++)
        err = join_part(job, i, why);
    if (err == OK)
        err = join_token(job, identity, why);
    free(shards);
    return err;
}

// --- leaving ---

enum err cluster_drop_part(const struct queue_config *config, unsigned i)
{
    const struct part part = part_of(config, i);
    char *dropped = xasprintf("%s.dropped", part.name);
    char *path = xasprintf("%s/%s", config->data_dir, dropped);
    enum err err = file_remove_tree(path);

    if (err == OK)
        err = file_rename(config->data_dir, part.name, dropped);
    if (err == OK)
        err = file_remove_tree(path);
    free(path);
    free(dropped);
    return err;
}

enum err cluster_detach(const struct queue_config *config, struct buf *why)
{
    enum err err = OK;

    // The first part is the one by which a start knows a copy: last.
    for (unsigned i = n_parts(config); i > 0 && err == OK; i--) {
        const struct part part = part_of(config, i - 1);
        struct store *s;
        MDB_txn *txn;

        err = part_open(config, &part, false, &s);
        if (err == OK)
            err = store_write(s, &txn);
        if (err == OK) {
            err = store_write_end(s, txn,
                                  chain_mark_remove(s, txn, part.meta_db));
        }
    }
    return explain(err, "the parts cannot be detached", why);
}
