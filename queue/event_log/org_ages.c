// SPDX-License-Identifier: MIT
// org_ages.c — removes events of organizations that keep what they have for less time than
// others, in small steps.
//
// Which events an organization has says the list in its home shard, so that nothing of
// others is read. An organization is looked at from its oldest event on, up to the first
// one that is too young; it is looked at again when that one is old enough. What a delivery
// needs is passed over, and tried again later. Where a look ended is in memory only.
//
// If it fails: the step is undone, and the next second begins with another look.

#include "queue/event_log/org_ages.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/process/blame.h"
#include "queue/catalog/hook_store.h"
#include "queue/event_log/inside.h"
#include "queue/listing/listed_rows.h"
#include "queue/orgs/org_retention.h"
#include "queue/orgs/org_values.h"
#include "queue/shard/payload_refs.h"
#include "queue/shard/shard_rows.h"
#include "queue/shard/shard_view.h"

#define SOON_US  INT64_C(1000000)
#define AGAIN_US INT64_C(10000000) // until what stayed is looked at again
#define REST     100 // how much longer than a look is the wait for the next one
// An organization with more of them keeps its old events until no delivery of anybody
// needs an event of the same block.
#define HOOKS_MAX  1000
#define NEEDED_MAX 20000 // what deliveries to its hooks need

// --- which organizations, on the loop ---

struct reading {
    struct org_age *at;
    size_t n, room;
    int64_t delivered_ms, dead_ms;
};

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool on_value(void *data, const struct org_value *value)
{
    struct reading *r = data;
    struct org_retention own;
    int64_t kept_ms;

    if (org_retention_read(value->bytes, &own) != OK)
        return true; // a dispatcher says so
    kept_ms = longer(org_retention_applies(own.delivered_ms, r->delivered_ms),
                     org_retention_applies(own.dead_ms, r->dead_ms));
    if (kept_ms >= longer(r->delivered_ms, r->dead_ms))
        return true;
    if (r->n == r->room) {
        r->room = r->room > 0 ? r->room * 2 : 16;
        r->at = xrealloc(r->at, r->room * sizeof(*r->at));
    }
    r->at[r->n++] =
        (struct org_age){ .no = value->org_no, .kept_us = kept_ms * 1000 };
    return true;
}

// Of an organization that was known before, what was looked at need not be looked at again.
// Both lists are in the order of numbers.
static void keep_marks(const struct org_ages *old, struct reading *fresh)
{
    size_t k = 0;

    for (size_t i = 0; i < fresh->n; i++) {
        struct org_age *age = &fresh->at[i];

        while (k < old->n && old->at[k].no < age->no)
            k++;
        if (k == old->n || old->at[k].no != age->no)
            continue;
        age->from = old->at[k].from;
        age->stays = old->at[k].stays;
        age->wants_hooks = age->stays;
        if (age->kept_us == old->at[k].kept_us)
            age->look_at_us = old->at[k].look_at_us;
    }
}

// Without a name, an organization was erased meanwhile, or its row is damaged.
static void read_names(struct hook_store *hooks, struct reading *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++) {
        if (org_of_number(hooks, r->at[i].no, &r->at[i].org) == OK)
            r->at[n++] = r->at[i];
    }
    r->n = n;
}

// What a look has read of the organization.
static void forget(struct org_age *age)
{
    free(age->hooks);
    free(age->needed);
    age->hooks = NULL;
    age->needed = NULL;
    age->knows_hooks = false;
    age->knows_needed = false;
}

static enum err read_anew(struct org_ages *ages, struct hook_store *hooks,
                          struct reading *fresh, uint64_t revision)
{
    enum err err =
        org_value_each(hooks, ORG_RETENTION, 0, STR_EMPTY, on_value, fresh);

    if (err != OK) {
        free(fresh->at);
        return err;
    }
    read_names(hooks, fresh);
    keep_marks(ages, fresh);
    for (size_t i = 0; i < ages->n; i++)
        forget(&ages->at[i]);
    free(ages->at);
    *ages = (struct org_ages){ .at = fresh->at,
                               .n = fresh->n,
                               .revision = revision,
                               .delivered_ms = fresh->delivered_ms,
                               .dead_ms = fresh->dead_ms };
    return OK;
}

// Reads the hooks of one organization of which events stayed, before these are looked at
// again: a read of a thousand hooks takes milliseconds, in which no post is answered.
static enum err read_hooks(struct org_ages *ages, struct hook_store *store,
                           int64_t now_us)
{
    for (size_t i = 0; i < ages->n; i++) {
        struct org_age *age = &ages->at[i];
        const struct str org = { age->org.bytes, age->org.n_bytes };
        struct org_hook_numbers hooks = { .max = HOOKS_MAX };
        enum err err;

        if (!age->wants_hooks || age->look_at_us > now_us)
            continue;
        hooks.at = xcalloc(HOOKS_MAX, sizeof(*hooks.at));
        err = hook_list_numbers(store, age->org.dialect, org, &hooks);
        forget(age);
        age->hooks = hooks.at;
        age->n_hooks = hooks.n;
        age->knows_hooks = err == OK && hooks.is_whole;
        age->wants_hooks = false;
        return err;
    }
    return OK;
}

void event_log_keep_orgs(struct event_log *log, struct hook_store *hooks,
                         const struct org_settings *settings)
{
    struct org_ages *ages = &log->ages;
    struct reading fresh = { .delivered_ms = settings->delivered_ms,
                             .dead_ms = settings->dead_ms };
    uint64_t revision;
    enum err err;

    if (log->is_trimming)
        return; // the worker uses it; the next call reads
    err = org_values_revision(hooks, ORG_RETENTION, &revision);
    if (err == OK && (ages->revision != revision ||
                      ages->delivered_ms != settings->delivered_ms ||
                      ages->dead_ms != settings->dead_ms))
        err = read_anew(ages, hooks, &fresh, revision);
    if (err == OK)
        err = read_hooks(ages, hooks, settings->now_us);
    if (err != OK) {
        log_warn("retentions of organizations cannot be read", "reason=%s",
                 log_quote(str_of(err_str(err))));
    }
}

bool org_ages_are_due(const struct event_log *log, int64_t now_us)
{
    for (size_t i = 0; i < log->ages.n; i++) {
        if (log->ages.at[i].look_at_us <= now_us)
            return true;
    }
    return false;
}

// --- removing, in the worker ---

struct step {
    struct event_log *log;
    MDB_txn *txn;
    MDB_cursor *cursor;
    uint64_t passed; // no event behind it may be removed
    uint64_t block; // of events, which is_needed tells of; UINT64_MAX: none yet
    bool is_needed;
    int64_t until_us; // monotonic
    size_t n_removed, n_bytes;
};

static bool is_over(const struct step *s)
{
    return s->n_removed >= s->log->trim_max || s->n_bytes >= TRIM_STEP_BYTES ||
           clock_mono_us() >= s->until_us;
}

// Whether the event may be decoded: it is in place, and no process died with it.
static bool is_readable(const struct step *s, struct position at, MDB_val val)
{
    uint64_t number = position_number(at);

    blame_begin(BLAME_EVENT, 0, number);
    return store_value_is_in_place(s->log->store, val) &&
           blame_deaths(BLAME_EVENT, 0, number) < BLAME_ASIDE;
}

static int cmp_numbers(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

// Reads which events deliveries to the organization's hooks need, if they are not too many.
static void read_needed(const struct step *s, struct org_age *age)
{
    const struct event_log *log = s->log;
    struct event_numbers needed = { .at = xcalloc(NEEDED_MAX, sizeof(uint64_t)),
                                    .max = NEEDED_MAX };
    enum err err = OK;

    for (size_t i = 0; i < age->n_hooks && err == OK && needed.n < needed.max;
         i++) {
        for (unsigned k = 0; k < log->config.n_shards && err == OK; k++) {
            err =
                shard_view_hook_events(log->shards[k], age->hooks[i], &needed);
        }
    }
    age->needed = needed.at;
    age->needed_until = s->passed;
    age->n_needed = needed.n;
    age->knows_needed = err == OK && needed.n < needed.max;
    qsort(needed.at, needed.n, sizeof(*needed.at), cmp_numbers);
}

static bool has_needed(const struct org_age *age, uint64_t number)
{
    return age->needed != NULL && bsearch(&number, age->needed, age->n_needed,
                                          sizeof(number), cmp_numbers) != NULL;
}

// Whether a delivery needs an event of the block; of an organization whose hooks are known:
// whether one to them needs this event.
static bool is_needed(struct step *s, struct org_age *age, uint64_t number)
{
    if (s->block != number / NEEDED_BLOCK_EVENTS) {
        s->block = number / NEEDED_BLOCK_EVENTS;
        s->is_needed = event_log_needs(s->log, s->block);
    }
    if (!s->is_needed)
        return false;
    if (age->knows_hooks && age->needed == NULL)
        read_needed(s, age);
    return !age->knows_needed || has_needed(age, number);
}

// Removes the event if it is old enough. True in `is_young`: it is not, and those after it
// are not, either. What is damaged stays until it is past the settings' retention.
static enum err look_at(struct step *s, struct org_age *age, uint64_t number,
                        bool *is_young)
{
    struct event_log *log = s->log;
    struct position at = position_of(number);
    MDB_val key = val_at(at.bytes, sizeof(at.bytes));
    struct event e;
    struct str id_key;
    MDB_val val;
    int rc;

    if (age->knows_needed && has_needed(age, number)) {
        age->stays = true; // nothing of it is read
        return OK;
    }
    rc = mdb_cursor_get(s->cursor, &key, &val, MDB_SET_KEY);
    if (rc == MDB_NOTFOUND)
        return OK;
    if (rc != 0)
        return store_err(log->store, rc, "trim events");
    if (!is_readable(s, at, val) ||
        event_decode(store_place(log->store, EVENTS_EVENTS, key),
                     str_of_val(val), &e, &id_key) != OK ||
        e.dialect != age->org.dialect ||
        !str_eq(e.org, (struct str){ age->org.bytes, age->org.n_bytes }))
        return OK;
    // A date in the future is wrong; it does not tell of those after it.
    *is_young = e.accepted_at_us <= log->keep.now_us &&
                e.accepted_at_us + age->kept_us > log->keep.now_us;
    if (*is_young)
        age->look_at_us = e.accepted_at_us + age->kept_us;
    if (*is_young || e.accepted_at_us > log->keep.now_us)
        return OK;
    if (is_needed(s, age, number)) {
        age->stays = true;
        return OK;
    }
    s->n_removed++;
    s->n_bytes += val.mv_size;
    return event_remove(log, s->txn, s->cursor, at, id_key);
}

// Looks at the events of a row. True in `is_end`: those after it are too young.
static enum err look_at_row(struct step *s, struct org_age *age,
                            const struct listed_row *row, bool *is_end)
{
    enum err err = OK;

    for (size_t i = 0; i < row->n && err == OK && !*is_end && !is_over(s);
         i++) {
        uint64_t number = row->events[i].number;

        if (number < age->from)
            continue;
        // Rows of later events may have come since it was read what is needed.
        *is_end = number > s->passed ||
                  (age->needed != NULL && number > age->needed_until);
        if (!*is_end)
            err = look_at(s, age, number, is_end);
        if (!*is_end)
            age->from = number + 1;
    }
    blame_begin(BLAME_NOTHING, 0, 0);
    return err;
}

// Sets `key` to one before the row that may have the event `from`, and behind others.
static void begin_at(const struct org_age *age, struct buf *key)
{
    uint8_t bytes[LISTED_KEY_MAX_BYTES];
    uint64_t block = age->from / LISTED_BLOCK;
    size_t n_bytes = listed_key(
        age->org.dialect, (struct str){ age->org.bytes, age->org.n_bytes },
        block > 0 ? block - 1 : 0, bytes);

    buf_reset(key);
    buf_put(key, bytes, block > 0 ? n_bytes : n_bytes - 8);
}

// What stayed is looked at again, from the first event on, with what the hooks need.
static void end_look(struct org_age *age, int64_t now_us)
{
    int64_t wait_us = age->stays && age->hooks == NULL ? SOON_US : AGAIN_US;
    int64_t again_us =
        now_us + (age->kept_us < wait_us ? age->kept_us : wait_us);

    // A look at much that stays takes at most a hundredth of the time.
    if (age->stays && again_us < now_us + REST * age->took_us)
        again_us = now_us + REST * age->took_us;
    age->took_us = 0;

    if (age->look_at_us <= now_us || (age->stays && age->look_at_us > again_us))
        age->look_at_us = again_us;
    if (age->stays)
        age->from = 0;
    age->wants_hooks = age->stays;
    age->stays = false;
    forget(age);
}

// Goes on with an organization. False in `is_end`: the step was over before.
static enum err go_on(struct step *s, struct org_age *age, bool *is_end)
{
    const struct str org = { age->org.bytes, age->org.n_bytes };
    unsigned home = listed_home(age->org.dialect, org, s->log->config.n_shards);
    struct listed_row row;
    struct buf key;
    enum err err = OK;

    int64_t began_us = clock_mono_us();

    *is_end = false;
    buf_init(&key, LISTED_KEY_MAX_BYTES);
    begin_at(age, &key);
    while (err == OK && !*is_end && !is_over(s)) {
        err = shard_view_listed_next(s->log->shards[home], &key, &row);
        if (err == OK &&
            (row.dialect != age->org.dialect || !str_eq(row.org, org)))
            err = ERR_NOTFOUND;
        if (err == OK)
            err = look_at_row(s, age, &row, is_end);
    }
    if (err == ERR_NOTFOUND) {
        *is_end = true;
        err = OK;
    }
    buf_clear(&key);
    age->took_us += clock_mono_us() - began_us;
    if (err == OK && *is_end)
        end_look(age, s->log->keep.now_us);
    return err;
}

void org_ages_anew(struct event_log *log)
{
    for (size_t i = 0; i < log->ages.n; i++) {
        struct org_age *age = &log->ages.at[i];

        forget(age);
        age->from = 0;
        age->look_at_us = 0;
        age->stays = false;
    }
}

enum err org_ages_trim(struct event_log *log, MDB_txn *txn,
                       struct position passed, size_t *n_removed)
{
    struct org_ages *ages = &log->ages;
    struct step s = { .log = log,
                      .txn = txn,
                      .passed = position_number(passed),
                      .block = UINT64_MAX,
                      .until_us = clock_mono_us() + TRIM_STEP_US };
    bool is_end = true;
    enum err err = OK;

    ages->has_more = false;
    if (s.passed == 0 || !org_ages_are_due(log, log->keep.now_us))
        return OK; // not every shard can be read, or nothing is due
    err = store_err(
        log->store,
        mdb_cursor_open(txn, store_db(log->store, EVENTS_EVENTS), &s.cursor),
        "trim events");
    if (err != OK)
        return err;
    for (size_t i = 0; i < ages->n && err == OK && is_end; i++) {
        struct org_age *age = &ages->at[ages->turn % ages->n];

        if (age->look_at_us <= log->keep.now_us)
            err = go_on(&s, age, &is_end);
        if (is_end)
            ages->turn = (ages->turn + 1) % ages->n;
    }
    mdb_cursor_close(s.cursor);
    ages->has_more = err == OK && !is_end;
    *n_removed += s.n_removed;
    return err;
}
