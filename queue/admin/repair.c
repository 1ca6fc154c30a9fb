// SPDX-License-Identifier: MIT
// repair.c — saves everything that can be read of a data directory into a new one.
//
// Happy path: the directory is locked against an engine; the event log is saved
// first, then the hooks, then each shard, whose rows must have their events; each
// environment is made anew from its sound records. The new directory gets its name
// when it is complete and synced. The old data is not changed.
//
// What cannot be read is left out and reported: sentences during the search,
// records in damaged.jsonl, counts at the end. A shard of which nothing is left
// continues where the other shards are: what it had sent is not sent again.

#include "queue/admin/repair.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "queue/admin/convert.h"
#include "queue/admin/copy_records.h"
#include "queue/admin/copy_target.h"
#include "queue/admin/repair_parts.h"
#include "queue/admin/salvage.h"
#include "queue/catalog/hook_keys.h"
#include "queue/event_rows/log_end.h"
#include "queue/lmdb/files.h"
#include "queue/records/schema.h"
#include "queue/shard/shard.h"
#include "queue/shard/shard_state.h"

#define SHOW_EVERY 256 // pages

struct repairing {
    const struct queue_config *config;
    const struct queue_repair *how;
    bool is_in_place;
    struct queue_config fresh; // of the new directory
    struct format old, format;
    struct migration *migration; // set if it is of format 4
    struct salvage events, hooks;
    struct salvage shards[QUEUE_SHARDS_MAX]; // indexed by directory
    unsigned n_dirs;
    unsigned from[QUEUE_SHARDS_MAX]; // by new shard: whose rows it gets
    struct copy_to events_to, hooks_to;
    struct copy_to shards_to[QUEUE_SHARDS_MAX];
    struct aside aside;
    struct salvage_how salvage;
    uint64_t n_pages, n_pages_total;
    struct queue_repaired *out;
};

static void say(const struct repairing *r, const char *what)
{
    if (r->how->on_fault != NULL)
        r->how->on_fault(r->how->data, what);
}

static bool on_page(void *data)
{
    struct repairing *r = data;

    return ++r->n_pages % SHOW_EVERY != 0 || r->how->on_progress == NULL ||
           r->how->on_progress(r->how->data, r->n_pages, r->n_pages_total);
}

static void on_fault(void *data, const char *what)
{
    struct repairing *r = data;

    r->out->n_faults++;
    say(r, what);
}

// --- what is there ---

static enum err open_one(struct repairing *r, struct salvage *s,
                         const struct part *part)
{
    enum err err;

    s->part = *part;
    err = salvage_open(s, &r->salvage);
    if (err != OK || !s->is_there)
        return err;
    r->n_pages_total += pages_count(s->pages);
    if (r->fresh.max_bytes < pages_count(s->pages) * pages_page_bytes(s->pages))
        r->fresh.max_bytes = pages_count(s->pages) * pages_page_bytes(s->pages);
    return OK;
}

static bool is_there(const struct repairing *r, const char *name)
{
    char *path = xasprintf("%s/%s", r->config->data_dir, name);
    bool is = file_is_there(path);

    free(path);
    return is;
}

// The directory of the shards. A change of dispatchers that was killed leaves other
// names; this chooses the one with which a start would continue.
static const char *find_deliveries(const struct repairing *r)
{
    static const char *const names[] = { "deliveries.new", "deliveries",
                                         "deliveries.old" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *text;

        if (!is_there(r, names[i]))
            continue;
        text = xasprintf("a change of the number of dispatchers was not "
                         "finished; the shards are taken from %s",
                         names[i]);
        if (i != 1)
            say(r, text);
        free(text);
        return names[i];
    }
    return "deliveries";
}

static enum err open_all(struct repairing *r)
{
    const char *deliveries = find_deliveries(r);
    struct queue_config all = *r->config;
    struct part part;
    enum err err;

    all.n_shards = QUEUE_SHARDS_MAX;
    for (unsigned k = 0; k < QUEUE_SHARDS_MAX; k++) {
        char name[sizeof(part.name)];

        snprintf(name, sizeof(name), "%s/%u", deliveries, k);
        if (is_there(r, name))
            r->n_dirs = k + 1;
    }
    part = part_of(&all, 0);
    err = open_one(r, &r->events, &part);
    part = part_of(&all, 1);
    if (err == OK)
        err = open_one(r, &r->hooks, &part);
    for (unsigned k = 0; k < r->n_dirs && err == OK; k++) {
        part = part_of(&all, k + 2);
        snprintf(part.name, sizeof(part.name), "%s/%u", deliveries, k);
        err = open_one(r, &r->shards[k], &part);
    }
    return err;
}

static void find_shards(struct repairing *r)
{
    struct parts parts = { .events = &r->events,
                           .hooks = &r->hooks,
                           .shards = r->shards,
                           .n_dirs = r->n_dirs,
                           .format = &r->old,
                           .on_fault = on_fault,
                           .data = r };

    parts_check(&parts);
    r->fresh.n_shards = parts.n_shards;
    memcpy(r->from, parts.from, sizeof(r->from));
}

// --- events and hooks ---

static enum err save_events(struct repairing *r)
{
    struct part part = part_of(&r->fresh, 0);
    enum err err = copy_make(&r->events_to, r->fresh.data_dir, &part);

    r->events_to.migration = r->migration;
    if (err == OK && r->events.is_there)
        err = salvage_run(&r->events, &r->events_to, &r->salvage);
    return err == OK ? copy_finish(&r->events_to, r->format.id) : err;
}

static enum err save_hooks(struct repairing *r)
{
    struct part part = part_of(&r->fresh, 1);
    enum err err = copy_make(&r->hooks_to, r->fresh.data_dir, &part);

    r->hooks_to.migration = r->migration;
    if (err == OK && r->hooks.is_there)
        err = salvage_run(&r->hooks, &r->hooks_to, &r->salvage);
    if (err == OK)
        err = copy_ready(&r->hooks_to, 0);
    if (err == OK) {
        err = hooks_put_last(r->hooks_to.store, r->hooks_to.txn,
                             r->hooks.last_hook, r->hooks.last_revision);
    }
    return err == OK ? copy_finish(&r->hooks_to, r->format.id) : err;
}

// --- shards ---

static struct salvage *source_of(struct repairing *r, unsigned k)
{
    return r->from[k] != FROM_NOTHING ? &r->shards[r->from[k]] : NULL;
}

// The cursor for a shard whose own cursor is unknown.
static enum err other_cursor(struct repairing *r, struct position *out)
{
    bool is_known = false;
    uint64_t next = 1;
    MDB_txn *txn;
    enum err err = OK;

    for (unsigned k = 0; k < r->fresh.n_shards; k++) {
        const struct salvage *s = source_of(r, k);

        if (s == NULL || !s->has_state ||
            (is_known && position_cmp(s->state.cursor, *out) >= 0))
            continue;
        *out = s->state.cursor;
        is_known = true;
    }
    if (is_known)
        return OK;
    err = store_read(r->events_to.store, &txn);
    if (err == OK) {
        err = event_next(r->events_to.store, txn, &next);
        store_read_end(r->events_to.store);
    }
    *out = position_of(next - 1);
    return err;
}

// Of rows that are counted but not found, the state is unknown: they count as
// cancelled.
static void balance(struct shard_state *state, const struct shard_counts *rows)
{
    int64_t *n = state->counts;
    int64_t left = n[COUNT_MATCHED] - n[COUNT_DELIVERED] - n[COUNT_CANCELLED] -
                   n[COUNT_DEAD_EXPIRED] -
                   (int64_t)(rows->n_due + rows->n_dead);

    if (left > 0) {
        n[COUNT_CANCELLED] += left;
    } else {
        n[COUNT_MATCHED] -= left;
    }
}

static enum err make_state(struct repairing *r, unsigned k, struct salvage *s)
{
    struct copy_to *to = &r->shards_to[k];
    struct shard_counts rows;
    uint64_t next_no = to->state.next_no;
    MDB_txn *txn;
    enum err err = copy_flush(to);

    if (err == OK)
        err = store_read(to->store, &txn);
    if (err != OK)
        return err;
    if (s != NULL && s->has_state) {
        to->state = s->state;
    } else {
        err = shard_guess_state(to->store, txn, &to->state);
    }
    if (to->state.next_no < next_no)
        to->state.next_no = next_no;
    if (err == OK)
        err = shard_read_counts(to->store, txn, &to->state, &rows);
    store_read_end(to->store);
    if (err != OK)
        return err;
    balance(&to->state, &rows);
    to->n_dropped = 0; // balanced already
    to->has_state = true;
    if (position_cmp(to->state.cursor, position_start) == 0)
        return other_cursor(r, &to->state.cursor);
    return OK;
}

static struct copy_to *owner_of(void *data, uint64_t hook_id)
{
    struct repairing *r = data;

    return &r->shards_to[queue_shard_of(hook_id, r->fresh.n_shards)];
}

// All new shards are open before the first row, which may belong to another shard.
static enum err save_shards(struct repairing *r)
{
    unsigned n = r->fresh.n_shards;
    enum err err = OK;

    for (unsigned k = 0; k < n && err == OK; k++) {
        struct part part = part_of(&r->fresh, k + 2);

        err = copy_make(&r->shards_to[k], r->fresh.data_dir, &part);
        r->shards_to[k].migration = r->migration;
    }
    for (unsigned k = 0; k < n && err == OK; k++) {
        if (source_of(r, k) != NULL)
            err = salvage_run(source_of(r, k), &r->shards_to[k], &r->salvage);
    }
    for (unsigned k = 0; k < n && err == OK; k++) {
        err = make_state(r, k, source_of(r, k));
        if (err == OK)
            err = copy_finish(&r->shards_to[k], r->format.id);
    }
    return err;
}

// --- all ---

static enum err save_all(struct repairing *r)
{
    enum err err = save_events(r);

    r->salvage.events = &r->events_to;
    if (err == OK)
        err = save_hooks(r);
    if (err == OK && r->migration != NULL) {
        err = migration_begin_shards(r->migration, &r->events_to, &r->hooks_to,
                                     clock_now_us());
    }
    if (err == OK)
        err = save_shards(r);
    if (err == OK && r->migration != NULL)
        err = migration_finish(r->migration);
    return err == OK ? log_end_fit(&r->fresh) : err;
}

static void report(struct repairing *r, const struct salvage *s)
{
    for (unsigned db = 0; db < s->part.n_dbs; db++) {
        const struct queue_saved saved = { s->part.name, s->part.dbs[db],
                                           s->n_read[db], s->n_damaged[db],
                                           s->n_lost[db] };

        if (salvage_is_made_anew(&s->part, db))
            continue;
        r->out->n_records += saved.n_records;
        r->out->n_damaged += saved.n_damaged;
        r->out->n_lost += saved.n_lost;
        if (r->how->on_saved != NULL &&
            saved.n_records + saved.n_damaged + saved.n_lost > 0)
            r->how->on_saved(r->how->data, &saved);
    }
}

static void report_all(struct repairing *r)
{
    report(r, &r->events);
    report(r, &r->hooks);
    for (unsigned k = 0; k < r->n_dirs; k++)
        report(r, &r->shards[k]);
    r->out->n_shards = r->fresh.n_shards;
}

static enum err copy_files(const struct repairing *r)
{
    const char *from = r->config->data_dir;
    enum err err = OK;

    if (!r->is_in_place)
        err = copy_small_file(from, r->fresh.data_dir, "secret.key");
    if (err == OK && !r->is_in_place)
        err = copy_small_file(from, r->fresh.data_dir, "admin.token");
    return err == OK ? format_write(r->fresh.data_dir, &r->format) : err;
}

// Does not put together parts that a start would refuse to put together.
static enum err check_part(const struct repairing *r, const struct salvage *s)
{
    if (s->is_there && s->has_self && r->old.has_id &&
        memcmp(s->self.id, r->old.id, sizeof(r->old.id)) != 0) {
        say(r, "a part is of another data directory than the rest");
        return ERR_CONFLICT;
    }
    return !s->is_there && r->old.is_complete ? ERR_CONFLICT : OK;
}

static enum err check_parts(const struct repairing *r)
{
    enum err err = check_part(r, &r->events);

    if (err == OK)
        err = check_part(r, &r->hooks);
    for (unsigned k = 0; k < r->n_dirs && err == OK; k++)
        err = check_part(r, &r->shards[k]);
    return err;
}

static enum err run(struct repairing *r)
{
    enum err err = copy_make_directory(r->fresh.data_dir);

    if (err == OK)
        err = open_all(r);
    if (err == OK && r->is_in_place)
        err = check_parts(r);
    if (err == OK) {
        find_shards(r);
        err = copy_files(r); // FORMAT, too, with which parts are compared
    }
    if (err == OK)
        err = save_all(r);
    if (aside_close(&r->aside) != OK && err == OK)
        err = ERR_IO;
    if (err == OK)
        report_all(r);
    salvage_close(&r->events);
    salvage_close(&r->hooks);
    for (unsigned k = 0; k < r->n_dirs; k++)
        salvage_close(&r->shards[k]);
    return err;
}

// Takes the lock that an engine holds while it runs. It ends with the process.
static enum err lock(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return ERR_NOTFOUND;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return OK;
    close(fd);
    return ERR_BUSY;
}

static bool is_any_part_there(const char *dir)
{
    static const char *const names[] = { "events", "hooks", "deliveries",
                                         "deliveries.new", "deliveries.old" };
    bool any = false;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = xasprintf("%s/%s", dir, names[i]);

        any = any || file_is_there(path);
        free(path);
    }
    return any;
}

// A new directory gets its own id; it keeps the key, if that can be read.
static void make_format(struct repairing *r)
{
    if (format_read(r->config->data_dir, &r->old) != OK)
        r->old = (struct format){ .version = 0 };
    r->format = r->old;
    if (!r->is_in_place || !r->old.has_id) {
        format_make_id(&r->format);
    } else if (!r->old.has_key) {
        struct format made = { .has_id = false };

        format_make_id(&made);
        memcpy(r->format.key, made.key, sizeof(made.key));
        r->format.has_key = true;
    }
    r->format.is_complete = true;
    if (r->old.version == FORMAT_BEFORE) {
        struct event_hasher hasher = { .old_until_us = 0 };

        memcpy(hasher.key, r->format.key, sizeof(hasher.key));
        r->migration = migration_new(&hasher);
    }
}

enum err repair_into(const struct queue_config *config,
                     const struct repair_to *to, struct queue_repaired *out)
{
    struct repairing *r = xcalloc(1, sizeof(*r));
    enum err err;

    *out = (struct queue_repaired){ .n_records = 0 };
    r->config = config;
    r->is_in_place = to->is_in_place;
    r->how = to->how;
    r->out = out;
    r->fresh = *config;
    r->fresh.data_dir = to->dir;
    r->aside.dir = to->dir;
    make_format(r);
    r->salvage = (struct salvage_how){ .data_dir = config->data_dir,
                                       .migration = r->migration,
                                       .aside = &r->aside,
                                       .owner_of = owner_of,
                                       .on_fault = on_fault,
                                       .on_page = on_page,
                                       .data = r };
    err = run(r);
    copy_clear(&r->events_to);
    copy_clear(&r->hooks_to);
    for (unsigned k = 0; k < QUEUE_SHARDS_MAX; k++)
        copy_clear(&r->shards_to[k]);
    migration_free(r->migration);
    free(r);
    return err;
}

enum err queue_repair(const struct queue_config *config,
                      const struct queue_copy_to *to,
                      const struct queue_repair *how,
                      struct queue_repaired *out)
{
    char *temporary = copy_temporary(to);
    const struct repair_to into = { .dir = temporary, .how = how };
    enum err err = lock(config->data_dir);

    *out = (struct queue_repaired){ .n_records = 0 };
    if (err == OK && !is_any_part_there(config->data_dir))
        err = ERR_NOTFOUND;
    if (err == OK)
        err = repair_into(config, &into, out);
    free(temporary);
    return err;
}
