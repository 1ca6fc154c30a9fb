// SPDX-License-Identifier: MIT
// page_check.c — checks the pages of an environment.

#include "queue/lmdb/page_check.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "queue/lmdb/page_walk.h"

#define TRIES_MAX 1000

struct page_view {
    struct part part;
    const char *table; // of page_table_open()
    struct pages *pages;
    struct page_snapshot snapshot;
};

static enum err check(struct pages *pages, const struct page_snapshot *snapshot,
                      const struct part *part, const struct page_check *how)
{
    struct walk *w = xcalloc(1, sizeof(*w));
    enum err err = OK;

    w->pages = pages;
    w->environment = part->name;
    w->names = part->dbs;
    w->n_names = part->n_dbs;
    w->snapshot = *snapshot;
    w->is_skeleton = how->is_skeleton;
    w->on_fault = how->on_fault;
    w->on_page = how->on_page;
    w->data = how->data;
    walk_init(w);
    walk_all(w);
    if (w->is_ended) {
        err = ERR_AGAIN;
    } else if (w->n_faults > 0) {
        err = ERR_CORRUPT;
    }
    walk_clear(w);
    free(w);
    return err;
}

static void say(const struct page_check *how, const struct part *part,
                const char *what)
{
    char *text = xasprintf("%s: %s", part->name, what);

    if (how->on_fault != NULL)
        how->on_fault(how->data, text);
    free(text);
}

static enum err open_part(const char *data_dir, const struct part *part,
                          struct pages **out)
{
    char *dir = xasprintf("%s/%s", data_dir, part->name);
    enum err err = pages_open(dir, out);

    free(dir);
    return err == ERR_INVALID ? ERR_CORRUPT : err;
}

enum err page_check_at_rest(const char *data_dir, const struct part *part,
                            const struct page_check *how)
{
    struct page_snapshot snapshots[2];
    struct pages *pages;
    enum err err = open_part(data_dir, part, &pages);

    if (err != OK)
        return err;
    if (pages_snapshots(pages, snapshots) == 2) {
        err = check(pages, &snapshots[0], part, how);
    } else {
        say(how, part, "a page that says where everything begins is damaged");
        err = ERR_CORRUPT;
    }
    pages_close(pages);
    return err;
}

enum err page_check_start(const char *data_dir, const struct part *part)
{
    struct page_snapshot snapshots[2];
    struct pages *pages;
    enum err err = open_part(data_dir, part, &pages);

    if (err != OK)
        return err;
    // A commit may be writing one of them at this moment.
    for (int i = 0; i < TRIES_MAX && pages_snapshots(pages, snapshots) < 2; i++)
        err = i + 1 == TRIES_MAX ? ERR_CORRUPT : OK;
    pages_close(pages);
    return err;
}

// Finds the snapshot that the transaction reads. False: it was overwritten since.
static bool find_snapshot(struct pages *pages, MDB_txn *txn,
                          struct page_snapshot *out)
{
    struct page_snapshot snapshots[2];
    size_t n = pages_snapshots(pages, snapshots);

    for (size_t i = 0; i < n; i++) {
        if (snapshots[i].txn == mdb_txn_id(txn)) {
            *out = snapshots[i];
            return true;
        }
    }
    return false;
}

enum err page_view_open(const char *data_dir, const struct part *part,
                        MDB_txn *txn, struct page_view **out)
{
    struct page_view *v = xcalloc(1, sizeof(*v));
    enum err err = open_part(data_dir, part, &v->pages);

    v->part = *part;
    // After two commits since its beginning, the root of the snapshot is
    // overwritten: begin the transaction anew.
    for (int i = 0; err == OK && !find_snapshot(v->pages, txn, &v->snapshot);
         i++) {
        mdb_txn_reset(txn);
        if (i == TRIES_MAX) {
            struct page_snapshot both[2];

            err = pages_snapshots(v->pages, both) < 2 ? ERR_CORRUPT : ERR_IO;
        } else if (mdb_txn_renew(txn) != 0) {
            err = ERR_IO;
        }
    }
    if (err != OK) {
        page_view_close(v);
        return err;
    }
    *out = v;
    return OK;
}

void page_view_close(struct page_view *v)
{
    if (v != NULL)
        pages_close(v->pages);
    free(v);
}

enum err page_view_check(struct page_view *v, const struct page_check *how)
{
    return check(v->pages, &v->snapshot, &v->part, how);
}

enum err page_table_open(const struct store *s, MDB_txn *txn, const char *table,
                         struct page_view **out)
{
    struct page_view *v = xcalloc(1, sizeof(*v));
    enum err err = pages_open(s->path, &v->pages);

    v->table = table;
    if (err == OK && !find_snapshot(v->pages, txn, &v->snapshot))
        err = ERR_CORRUPT;
    if (err != OK) {
        page_view_close(v);
        return err;
    }
    *out = v;
    return OK;
}

struct table_visit {
    void (*visit)(void *data, struct str key, struct str value);
    void *data;
};

static bool on_record(void *data, const struct walk_record *record)
{
    const struct table_visit *t = data;

    t->visit(t->data, record->key, record->value);
    return true;
}

enum err page_table_each(struct page_view *v,
                         void (*visit)(void *data, struct str key,
                                       struct str value),
                         void *data)
{
    struct table_visit t = { visit, data };
    struct walk *w = xcalloc(1, sizeof(*w));
    enum err err;

    w->pages = v->pages;
    w->environment = v->table;
    w->names = &v->table;
    w->n_names = 1;
    w->snapshot = v->snapshot;
    w->on_record = on_record;
    w->data = &t;
    walk_init(w);
    walk_all(w);
    err = w->n_faults > 0 ? ERR_CORRUPT : OK;
    walk_clear(w);
    free(w);
    return err;
}
