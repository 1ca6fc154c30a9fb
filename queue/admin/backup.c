// SPDX-License-Identifier: MIT
// backup.c — copies a data directory, record by record.
//
// Happy path: snapshots of all environments are taken at one moment, shards first
// and the event log last, so that it contains every event that a shard knows.
// Records are read, checked, and written in order into a new directory under a
// temporary name, which is renamed at the end. Indexes are made anew.
//
// If it fails: nothing gets the final name. A damaged record is written to
// damaged.jsonl, counted, and left out; in the shard's counts it becomes cancelled.
// A damaged page ends the backup: repair.c handles that.

#include "queue/admin/backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "queue/admin/copy_records.h"
#include "queue/admin/copy_target.h"
#include "queue/admin/copy_to.h"
#include "queue/lmdb/page_check.h"
#include "queue/records/schema.h"
#include "queue/shard/shard_state.h"

#define SHOW_EVERY 2000

// An environment, and its copy.
struct pair {
    struct part part;
    struct store *from;
    MDB_txn *snapshot;
    struct page_view *pages; // of the snapshot
    struct copy_to to;
};

struct copying {
    const struct queue_config *config;
    const char *to_dir;   // under its temporary name
    struct format format; // the copy's, which is a directory of its own
    struct pair *pairs;
    size_t n_pairs;
    queue_progress on_progress;
    void (*on_fault)(void *data, const char *what);
    void *data;
    struct aside aside;
    struct queue_copied *out;
};

// --- environments ---

static enum err copy_row(struct copying *c, struct pair *p,
                         struct copy_record *r)
{
    r->place = store_place(p->from, r->db, r->key);
    if (store_value_is_in_place(p->from, r->val) &&
        copy_check_record(&p->to, r))
        return copy_put(&p->to, r);
    p->to.has_lost_list |= p->part.dbs == shard_dbs && r->db == SHARD_LISTED;
    p->to.n_dropped +=
        p->part.dbs == shard_dbs && (r->db == SHARD_DUE || r->db == SHARD_DEAD);
    return aside_put(&c->aside, &p->part, r->db, r->key, r->val);
}

static enum err copy_db(struct copying *c, struct pair *p, unsigned db)
{
    struct copy_record r = { .db = db };
    MDB_cursor *cursor;
    enum err err = OK;
    int rc;

    if (!store_has_table(p->from, db))
        return OK;
    rc = mdb_cursor_open(p->snapshot, store_db(p->from, db), &cursor);
    if (rc != 0)
        return store_err(p->from, rc, "copy");
    while (err == OK &&
           (rc = mdb_cursor_get(cursor, &r.key, &r.val, MDB_NEXT)) == 0) {
        err = copy_row(c, p, &r);
        if (++c->out->n_records % SHOW_EVERY == 0 && err == OK &&
            c->on_progress != NULL &&
            !c->on_progress(c->data, c->out->n_records, c->out->n_total))
            err = ERR_AGAIN;
    }
    mdb_cursor_close(cursor);
    if (err != OK)
        return err;
    return rc == MDB_NOTFOUND ? OK : store_err(p->from, rc, "copy");
}

static enum err copy_environment(struct copying *c, struct pair *p)
{
    enum err err = copy_make(&p->to, c->to_dir, &p->part);

    if (err == OK && p->part.dbs == shard_dbs) {
        p->to.has_state =
            shard_read_state(p->from, p->snapshot, &p->to.state) == OK;
        c->aside.n += !p->to.has_state;
        if (!p->to.has_state)
            p->to.state = (struct shard_state){ .next_no = 1 };
    }
    for (unsigned db = 0; db < p->part.n_dbs && err == OK; db++)
        err = copy_db(c, p, db);
    return err == OK ? copy_finish(&p->to, c->format.id) : err;
}

static enum err take_snapshot(struct copying *c, struct pair *p)
{
    enum err err = store_read(p->from, &p->snapshot);

    if (err != OK)
        return err;
    return page_view_open(c->config->data_dir, &p->part, p->snapshot,
                          &p->pages);
}

// Checks the pages before LMDB, which trusts them, reads them.
static enum err check_pages(struct copying *c, const struct pair *p)
{
    const struct page_check check = { .on_fault = c->on_fault,
                                      .data = c->data };
    enum err err = page_view_check(p->pages, &check);

    for (size_t db = 0; db < p->part.n_dbs && err == OK; db++) {
        MDB_stat stat;

        if (!store_has_table(p->from, db))
            continue;
        err = store_err(p->from,
                        mdb_stat(p->snapshot, store_db(p->from, db), &stat),
                        "copy");
        c->out->n_total += err == OK ? stat.ms_entries : 0;
    }
    return err;
}

// Shards first, the event log last.
static void list_pairs(struct copying *c)
{
    c->n_pairs = c->config->n_shards + 2;
    c->pairs = xcalloc(c->n_pairs, sizeof(*c->pairs));
    for (unsigned i = 0; i < c->n_pairs; i++)
        c->pairs[c->n_pairs - 1 - i].part = part_of(c->config, i);
}

static enum err copy_all(struct copying *c)
{
    enum err err = OK;

    for (size_t i = 0; i < c->n_pairs && err == OK; i++)
        err = part_open(c->config, &c->pairs[i].part, true, &c->pairs[i].from);
    for (size_t i = 0; i < c->n_pairs && err == OK; i++)
        err = take_snapshot(c, &c->pairs[i]);
    for (size_t i = 0; i < c->n_pairs && err == OK; i++)
        err = check_pages(c, &c->pairs[i]);
    for (size_t i = 0; i < c->n_pairs && err == OK; i++) {
        err = copy_environment(c, &c->pairs[i]);
        store_read_end(c->pairs[i].from);
    }
    return err;
}

// --- the directory ---

static enum err copy_files(const struct copying *c, bool with_keys)
{
    const char *from = c->config->data_dir;
    enum err err = OK;

    if (with_keys)
        err = copy_small_file(from, c->to_dir, "secret.key");
    if (err == OK && with_keys)
        err = copy_small_file(from, c->to_dir, "admin.token");
    return err == OK ? format_write(c->to_dir, &c->format) : err;
}

// Refuses parts of several directories: a copy would make them look like one.
static enum err check_parts_agree(const struct queue_config *config,
                                  const struct queue_copy_to *to, void *data)
{
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = identity_check_parts(config, config->n_shards, false, &why);
    if (err == ERR_CONFLICT && to->on_fault != NULL)
        to->on_fault(data, buf_cstr(&why));
    buf_clear(&why);
    return err;
}

enum err queue_copy(const struct queue_config *config,
                    const struct queue_copy_to *to, queue_progress on_progress,
                    void *data, struct queue_copied *out)
{
    char *temporary = copy_temporary(to);
    struct copying c = { .config = config,
                         .to_dir = temporary,
                         .on_progress = on_progress,
                         .on_fault = to->on_fault,
                         .data = data,
                         .aside = { .dir = temporary },
                         .out = out };
    enum err err = check_parts_agree(config, to, data);

    memset(out, 0, sizeof(*out));
    if (err == OK) // it keeps the key
        err = format_read(config->data_dir, &c.format);
    format_make_id(&c.format);
    c.format.is_complete = true;
    list_pairs(&c);
    if (err == OK)
        err = copy_make_directory(temporary);
    if (err == OK)
        err = copy_all(&c);
    if (err == OK)
        err = copy_files(&c, to->with_keys);
    if (aside_close(&c.aside) != OK && err == OK)
        err = ERR_IO;
    out->n_damaged = c.aside.n;
    free(temporary);
    for (size_t i = 0; i < c.n_pairs; i++) {
        copy_clear(&c.pairs[i].to);
        page_view_close(c.pairs[i].pages);
    }
    free(c.pairs); // the environments stay open: queue.h says why
    return err;
}
