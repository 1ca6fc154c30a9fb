// SPDX-License-Identifier: MIT
// verify.c — reads everything and checks that the counts balance.
//
// While an engine runs, each environment is read in its own snapshot, the shards
// first and the event log last, so it contains every event that a shard knows.

#include "queue/admin/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/event_rows/hidden.h"
#include "queue/event_rows/log_end.h"
#include "queue/listing/listed_rows.h"
#include "queue/lmdb/identity.h"
#include "queue/lmdb/page_check.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"
#include "queue/records/sealed.h"
#include "queue/records/stats.h"
#include "queue/shard/inside.h"
#include "queue/shard/shard.h"
#include "queue/shard/shard_state.h"

#define SHOW_EVERY 4096

struct check {
    const struct queue_config *config;
    void (*on_fault)(void *data, const char *what);
    void *data;
    struct queue_report *report;
    struct position *wanted; // events that due rows need, collected first
    size_t n_wanted, room;
    struct position least_cursor;
    uint64_t known; // the greatest event number that shards know
    struct missing missing[MISSING_MAX];
    size_t n_missing;
    uint64_t n_needed; // of the current shard, by its counts
    queue_progress on_progress;
    uint64_t n_done, n_total, n_pages;
    bool is_sound[QUEUE_SHARDS_MAX + 2]; // by part: its pages are sound
};

__attribute__((format(printf, 2, 3))) static void fault(struct check *c,
                                                        const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    c->report->n_faults++;
    if (c->on_fault != NULL)
        c->on_fault(c->data, text != NULL ? text : "fault");
    free(text);
}

static void want_event(struct check *c, struct position position)
{
    if (c->n_wanted == c->room) {
        c->room = c->room > 0 ? c->room * 2 : 1024;
        c->wanted = xrealloc(c->wanted, c->room * sizeof(*c->wanted));
    }
    c->wanted[c->n_wanted++] = position;
}

typedef void (*row_visit)(struct check *c, unsigned k, MDB_val key,
                          MDB_val val);

static enum err each(struct check *c, struct store *s, MDB_txn *txn,
                     unsigned db, unsigned k, row_visit visit)
{
    MDB_cursor *cursor;
    MDB_val key, val;
    int rc;

    if (!store_has_table(s, db))
        return OK;
    rc = mdb_cursor_open(txn, store_db(s, db), &cursor);
    if (rc != 0)
        return store_err(s, rc, "verify");
    while ((rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
        if (!store_value_is_in_place(s, val)) {
            fault(c, "%s: a record lies where another one belongs",
                  store_path(s));
        }
        visit(c, k, key, val);
        if (++c->n_done % SHOW_EVERY == 0 && c->on_progress != NULL &&
            !c->on_progress(c->data, c->n_done, c->n_total)) {
            mdb_cursor_close(cursor);
            return ERR_AGAIN;
        }
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "verify");
}

// --- pages ---

static void on_page_fault(void *data, const char *what)
{
    fault(data, "%s", what);
}

static bool on_page(void *data)
{
    struct check *c = data;

    return ++c->n_pages % SHOW_EVERY != 0 || c->on_progress == NULL ||
           c->on_progress(c->data, c->n_done, c->n_total);
}

static enum err check_pages(struct check *c, const struct part *part,
                            MDB_txn *txn)
{
    const struct page_check check = { .on_fault = on_page_fault,
                                      .on_page = on_page,
                                      .data = c };
    struct page_view *view = NULL;
    enum err err = page_view_open(c->config->data_dir, part, txn, &view);

    if (err == OK)
        err = page_view_check(view, &check);
    page_view_close(view);
    return err;
}

static enum err open_part(struct check *c, const struct part *part,
                          struct store **s, MDB_txn **txn)
{
    enum err err = part_open(c->config, part, true, s);

    return err == OK ? store_read(*s, txn) : err;
}

// Runs before anything is read, since LMDB trusts pages. Parts with damaged pages
// are reported and left out.
static enum err check_all_pages(struct check *c)
{
    for (unsigned i = 0; i < c->config->n_shards + 2; i++) {
        struct part part = part_of(c->config, i);
        struct store *s;
        MDB_txn *txn;
        enum err err = page_check_start(c->config->data_dir, &part);

        if (err == OK)
            err = open_part(c, &part, &s, &txn);
        if (err == OK) {
            err = check_pages(c, &part, txn);
            store_read_end(s);
        } else if (err != ERR_DENIED) {
            fault(c, "%s cannot be read: %s", part.name, err_str(err));
            continue;
        }
        if (err != OK && err != ERR_CORRUPT)
            return err;
        c->is_sound[i] = err == OK;
    }
    return OK;
}

// ERR_CORRUPT: the part is damaged, which was reported already.
static enum err open_sound(struct check *c, unsigned i, struct store **s,
                           MDB_txn **txn)
{
    struct part part = part_of(c->config, i);

    return c->is_sound[i] ? open_part(c, &part, s, txn) : ERR_CORRUPT;
}

// --- shards ---

// The place of a record of a shard, or of another environment.
static uint32_t place_in(unsigned k, unsigned db, MDB_val key)
{
    return store_place_in(store_place_of(shard_dbs, k), db, key);
}

static void on_due(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    struct due_row row;

    if (due_decode(place_in(k, SHARD_DUE, key), str_of_val(key),
                   str_of_val(val), &row) != OK) {
        fault(c, "deliveries %u: a due row is damaged", k);
        return;
    }
    if (queue_shard_of(row.hook_id, c->config->n_shards) != k) {
        fault(c, "deliveries %u: hook %" PRIu64 " belongs to another shard", k,
              row.hook_id);
    }
    want_event(c, row.position);
}

static void on_dead(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    struct dead_row row;

    if (dead_decode(place_in(k, SHARD_DEAD, key), str_of_val(key),
                    str_of_val(val), &row) != OK) {
        fault(c, "deliveries %u: a dead letter is damaged", k);
        return;
    }
    want_event(c, row.position);
}

static void on_needed(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    if (key.mv_size != 8 || val.mv_size != 8) {
        fault(c, "deliveries %u: a count of needed events is damaged", k);
        return;
    }
    c->n_needed += get_be64(val.mv_data);
}

static void on_stats(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    struct stats s;

    stats_init(&s);
    if (key.mv_size != STATS_KEY_BYTES ||
        stats_add_record_at(&s, place_in(k, SHARD_STATS, key),
                            str_of_val(val)) != OK)
        fault(c, "deliveries %u: a record of statistics is damaged", k);
    stats_clear(&s);
}

static void on_replay(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    struct replay r;

    if (replay_decode_at(place_in(k, SHARD_REPLAYS, key), str_of_val(val),
                         &r) != OK ||
        !replay_is_at(&r, str_of_val(key)))
        fault(c, "deliveries %u: a replay is damaged", k);
}

static void on_attempt(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    struct attempt a;

    if (key.mv_size != 8 || attempt_decode(place_in(k, SHARD_ATTEMPTS, key),
                                           str_of_val(val), &a) != OK)
        fault(c, "deliveries %u: an attempt is damaged", k);
}

static void on_outbox(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    struct event e;
    struct str id_key;

    if (key.mv_size != sizeof(e.id.bytes) ||
        event_decode(place_in(k, SHARD_OUTBOX, key), str_of_val(val), &e,
                     &id_key) != OK)
        fault(c, "deliveries %u: an event of the engine is damaged", k);
}

static void on_listed(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    struct listed_row row;

    if (listed_decode(place_in(k, SHARD_LISTED, key), str_of_val(key),
                      str_of_val(val), &row) != OK)
        fault(c, "deliveries %u: a row of the list of events is damaged", k);
}

static enum err check_index(struct check *c, struct store *s, MDB_txn *txn,
                            unsigned k)
{
    MDB_stat attempts;
    MDB_stat by_owner;
    MDB_stat by_event;
    int rc = mdb_stat(txn, store_db(s, SHARD_ATTEMPTS), &attempts);

    if (rc == 0)
        rc = mdb_stat(txn, store_db(s, SHARD_BY_OWNER), &by_owner);
    if (rc == 0)
        rc = mdb_stat(txn, store_db(s, SHARD_BY_EVENT), &by_event);
    if (rc != 0)
        return store_err(s, rc, "verify");
    if (attempts.ms_entries * 2 != by_owner.ms_entries) {
        fault(c,
              "deliveries %u: %zu attempts but %zu rows by hook and "
              "organization",
              k, attempts.ms_entries, by_owner.ms_entries);
    }
    if (attempts.ms_entries != by_event.ms_entries) {
        fault(c, "deliveries %u: %zu attempts but %zu of them by event", k,
              attempts.ms_entries, by_event.ms_entries);
    }
    return OK;
}

static void add_books(struct check *c, unsigned k,
                      const struct shard_counts *counts)
{
    struct queue_report *r = c->report;
    const int64_t *n = counts->counts;
    int64_t settled = n[COUNT_DELIVERED] + n[COUNT_CANCELLED] +
                      n[COUNT_DEAD_EXPIRED] + (int64_t)counts->n_dead +
                      (int64_t)counts->n_due;

    if (n[COUNT_MATCHED] != settled) {
        fault(c,
              "deliveries %u: %" PRId64 " matched, but %" PRId64
              " delivered, dead, cancelled or pending",
              k, n[COUNT_MATCHED], settled);
    }
    r->matched += n[COUNT_MATCHED];
    r->delivered += n[COUNT_DELIVERED];
    r->cancelled += n[COUNT_CANCELLED];
    r->dead_expired += n[COUNT_DEAD_EXPIRED];
    r->dead += (int64_t)counts->n_dead;
    r->pending += (int64_t)counts->n_due;
}

static enum err check_rows(struct check *c, struct store *s, MDB_txn *txn,
                           unsigned k)
{
    struct shard_state state;
    struct shard_counts counts;
    uint64_t known = 0;
    enum err err = log_end_of_shard(s, txn, &known);

    if (known > c->known)
        c->known = known;
    if (err == OK)
        err = shard_read_state(s, txn, &state);
    if (err == ERR_CORRUPT) {
        fault(c, "deliveries %u: the state record is damaged", k);
        return OK;
    }
    if (err == OK)
        err = shard_read_counts(s, txn, &state, &counts);
    if (err == OK)
        err = each(c, s, txn, SHARD_DUE, k, on_due);
    if (err == OK)
        err = each(c, s, txn, SHARD_DEAD, k, on_dead);
    if (err == OK)
        err = each(c, s, txn, SHARD_ATTEMPTS, k, on_attempt);
    if (err == OK)
        err = each(c, s, txn, SHARD_OUTBOX, k, on_outbox);
    if (err == OK)
        err = each(c, s, txn, SHARD_STATS, k, on_stats);
    if (err == OK)
        err = each(c, s, txn, SHARD_REPLAYS, k, on_replay);
    if (err == OK)
        err = each(c, s, txn, SHARD_LISTED, k, on_listed);
    c->n_needed = 0;
    if (err == OK)
        err = each(c, s, txn, SHARD_NEEDED, k, on_needed);
    if (err == OK && c->n_needed != counts.n_due + counts.n_dead) {
        fault(c,
              "deliveries %u: %" PRIu64
              " events counted as needed, but %" PRIu64 " are due or dead",
              k, c->n_needed, counts.n_due + counts.n_dead);
    }
    if (err == OK)
        err = check_index(c, s, txn, k);
    if (err != OK)
        return err;
    add_books(c, k, &counts);
    if (k == 0 || position_cmp(state.cursor, c->least_cursor) < 0)
        c->least_cursor = state.cursor;
    return OK;
}

static enum err check_shard(struct check *c, unsigned k)
{
    struct store *s;
    MDB_txn *txn;
    enum err err = open_sound(c, k + 2, &s, &txn);

    if (err != OK)
        return err == ERR_CORRUPT ? OK : err;
    err = check_rows(c, s, txn, k);
    store_read_end(s);
    return err;
}

// --- events and hooks ---

static void on_event(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    struct event e;
    struct str id_key;

    (void)k;
    if (event_decode_at(
            store_place_in(store_place_of(events_dbs, 0), EVENTS_EVENTS, key),
            str_of_val(key), str_of_val(val), &e, &id_key) != OK) {
        fault(c, "events: event %" PRIu64 " is damaged",
              key.mv_size == 8 ? get_be64(key.mv_data) : 0);
    } else if (e.is_closed) {
        c->report->n_sealed++;
        c->report->n_locked += event_is_locked(c->config->payload_keys, &e);
    }
}

static void on_hook(struct check *c, unsigned k, MDB_val key, MDB_val val)
{
    struct hook_room room;
    struct hook h;

    (void)k;
    c->report->n_hooks++;
    if (hook_decode_at(
            store_place_in(store_place_of(hooks_dbs, 0), HOOKS_HOOKS, key),
            str_of_val(key), str_of_val(val), NULL, &h, &room) != OK)
        fault(c, "hooks: a hook is damaged");
}

static enum err check_orgs(struct check *c, struct store *s, MDB_txn *txn)
{
    struct orgs_checked found;
    size_t n_values = 0;
    enum err err = orgs_check(s, txn, &found);

    if (err == OK)
        err = org_values_check(s, txn, &n_values);
    if (err != OK)
        return err;
    for (size_t i = 0; i < found.n_damaged; i++)
        fault(c, "hooks: the number of an organization is damaged");
    if (found.n_names != found.n_numbers) {
        fault(c,
              "hooks: %zu organizations have a number, but %zu numbers have "
              "an organization",
              found.n_names, found.n_numbers);
    }
    for (size_t i = 0; i < n_values; i++)
        fault(c, "hooks: a value of an organization is damaged");
    return OK;
}

static enum err check_wanted(struct check *c, struct store *s, MDB_txn *txn)
{
    for (size_t i = 0; i < c->n_wanted; i++) {
        MDB_val key = val_at(c->wanted[i].bytes, sizeof(c->wanted[i].bytes));
        MDB_val val;
        int rc = mdb_get(txn, store_db(s, EVENTS_EVENTS), &key, &val);

        if (rc == MDB_NOTFOUND && missing_has(c->missing, c->n_missing,
                                              position_number(c->wanted[i]))) {
            c->report->n_without++;
        } else if (rc == MDB_NOTFOUND) {
            fault(c,
                  "a delivery is due or dead of event %" PRIu64
                  ", which is not there",
                  position_number(c->wanted[i]));
        } else if (rc != 0) {
            return store_err(s, rc, "verify");
        }
    }
    return OK;
}

static enum err read_missing(struct check *c, struct store *s, MDB_txn *txn)
{
    enum err err = missing_get(s, txn, c->missing, &c->n_missing);

    if (err == ERR_CORRUPT) {
        fault(c, "events: the list of missing events is damaged");
        return OK;
    }
    c->report->n_missing = missing_sum(c->missing, c->n_missing);
    return err;
}

static enum err check_events(struct check *c)
{
    struct store *s;
    MDB_txn *txn;
    uint64_t n_unused = 0, next = 1;
    enum err err = open_sound(c, 0, &s, &txn);

    if (err != OK)
        return err == ERR_CORRUPT ? OK : err;
    err = event_next(s, txn, &next);
    if (err == OK)
        err = unused_get(s, txn, &n_unused);
    if (err == OK)
        err = read_missing(c, s, txn);
    if (err == OK)
        err = each(c, s, txn, EVENTS_EVENTS, 0, on_event);
    if (err == OK)
        err = check_wanted(c, s, txn);
    store_read_end(s);
    c->report->n_accepted = next - 1 - n_unused;
    if (c->known >= next) {
        fault(c,
              "the event log ends at event %" PRIu64
              ", but deliveries know events up to %" PRIu64 ": %" PRIu64
              " are missing. The next start goes on behind them",
              next - 1, c->known, c->known - next + 1);
    }
    if (position_number(c->least_cursor) < next)
        c->report->n_unmatched = next - 1 - position_number(c->least_cursor);
    return err;
}

static enum err check_hooks(struct check *c)
{
    struct store *s;
    MDB_txn *txn;
    enum err err = open_sound(c, 1, &s, &txn);

    if (err != OK)
        return err == ERR_CORRUPT ? OK : err;
    err = each(c, s, txn, HOOKS_HOOKS, 0, on_hook);
    if (err == OK)
        err = check_orgs(c, s, txn);
    store_read_end(s);
    return err;
}

// Adds up how many records will be read, for the progress only.
static void count_part(struct check *c, unsigned i, unsigned read_dbs)
{
    struct part part = part_of(c->config, i);
    struct store *s;
    MDB_txn *txn;

    if (open_sound(c, i, &s, &txn) != OK)
        return;
    for (size_t db = 0; db < part.n_dbs; db++) {
        MDB_stat stat;

        if ((read_dbs & 1U << db) != 0 && store_has_table(s, db) &&
            mdb_stat(txn, store_db(s, db), &stat) == 0)
            c->n_total += stat.ms_entries;
    }
    store_read_end(s);
}

static void count_all(struct check *c)
{
    const unsigned of_shard = 1U << SHARD_DUE | 1U << SHARD_DEAD |
                              1U << SHARD_ATTEMPTS | 1U << SHARD_OUTBOX |
                              1U << SHARD_STATS | 1U << SHARD_REPLAYS |
                              1U << SHARD_NEEDED | 1U << SHARD_LISTED;

    count_part(c, 0, 1U << EVENTS_EVENTS);
    for (unsigned k = 0; k < c->config->n_shards; k++)
        count_part(c, k + 2, of_shard);
}

// Checks that the parts belong together; parts that do not are read all the same.
static enum err check_identity(struct check *c)
{
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = identity_check_parts(c->config, c->config->n_shards, false, &why);
    if (err == ERR_CONFLICT) {
        fault(c, "%s", buf_cstr(&why));
        err = OK;
    }
    buf_clear(&why);
    return err;
}

enum err queue_verify(const struct queue_config *config,
                      void (*on_fault)(void *data, const char *what),
                      queue_progress on_progress, void *data,
                      struct queue_report *out)
{
    struct check c = { .config = config,
                       .on_fault = on_fault,
                       .on_progress = on_progress,
                       .data = data,
                       .report = out };
    enum err err;

    memset(out, 0, sizeof(*out));
    err = check_identity(&c);
    if (err == OK)
        err = check_all_pages(&c);
    if (err == OK && on_progress != NULL)
        count_all(&c);
    for (unsigned k = 0; k < config->n_shards && err == OK; k++)
        err = check_shard(&c, k);
    if (err == OK)
        err = check_events(&c);
    if (err == OK)
        err = check_hooks(&c);
    free(c.wanted);
    return err;
}
