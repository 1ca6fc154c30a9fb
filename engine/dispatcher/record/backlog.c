// SPDX-License-Identifier: MIT
// backlog.c — what waits for each hook and organization of the shard.
//
// Happy path: at the start the rows of the due index are counted, off the loop; after
// that, each commit adds what it moves. Once a second the sums that have changed are
// sent to ingest, which refuses posts of an organization that has no room left, and to
// api, which shows them. Only hooks and organizations for which something waits, or of
// which something is to be said, are looked at: they are in a list.
//
// If it fails: since sums are up to a second late, an organization can exceed its quota
// by what one second brings. While the due index is being counted, no sums are sent.

#include "engine/dispatcher/record/backlog.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/messages/backlog.h"
#include "common/process/channel.h"
#include "common/process/metrics.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

#define MARKS        6 // of the last minute
#define MARK_EVERY_S 10
#define UNSENT_MAX   ((size_t)1024 * 1024)

struct org_sum {
    struct hash_node node;
    uint64_t no;
    uint32_t n_users; // hooks
    struct list_node watched;
    bool is_watched;
    struct backlog sum;
    int64_t marks
        [MARKS]; // while it is watched: its worth() at the times mark_at_us
    struct org_backlog told;
    struct org_backlog now; // scratch: what is to be sent
};

struct backlogs {
    struct hash_map orgs;
    struct list watched_orgs;
    struct list watched_hooks; // struct hook_notes
    int64_t mark_at_us[MARKS];
    unsigned i_mark; // of the oldest mark
    unsigned n_seconds;
    bool is_counted;
    bool must_tell_all;
};

static uint64_t positive(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

static int64_t worth(const struct backlog *b)
{
    return b->n_bytes + b->n_rows * BACKLOG_ROW_BYTES;
}

static struct hook_backlog backlog_of(const struct hook_state *f)
{
    return (struct hook_backlog){
        .hook_id = hook_state_id(f),
        .n_rows = positive(hook_notes(f)->backlog.n_rows),
        .n_bytes = positive(hook_notes(f)->backlog.n_bytes)
    };
}

uint64_t backlog_bytes(const struct hook_state *f)
{
    const struct hook_backlog b = backlog_of(f);

    return hook_backlog_bytes(&b);
}

int64_t backlog_rows(const struct hook_state *f)
{
    return hook_notes(f)->backlog.n_rows;
}

// --- organizations ---

static struct org_sum *org_of(struct hash_node *n)
{
    return HASH_OBJECT(n, struct org_sum, node);
}

// The watched organization after this one; with NULL, the first. NULL: no more.
static struct org_sum *next_org(const struct backlogs *bs,
                                const struct org_sum *org)
{
    return org == NULL ? LIST_FIRST(&bs->watched_orgs, struct org_sum, watched)
                       : LIST_NEXT(org, struct org_sum, watched);
}

// To be called before its sum changes.
static void watch_org(struct backlogs *bs, struct org_sum *org)
{
    if (org->is_watched)
        return;
    for (unsigned i = 0; i < MARKS; i++)
        org->marks[i] = worth(&org->sum);
    list_push(&bs->watched_orgs, &org->watched);
    org->is_watched = true;
}

static void unwatch_org(struct backlogs *bs, struct org_sum *org)
{
    if (org->is_watched)
        list_remove(&bs->watched_orgs, &org->watched);
    org->is_watched = false;
}

static void watch_hook(struct backlogs *bs, struct hook_state *f)
{
    struct hook_notes *notes = hook_notes(f);

    if (notes->watched != NULL)
        return;
    notes->watched = f;
    list_push(&bs->watched_hooks, &notes->watch);
}

static void unwatch_hook(struct backlogs *bs, struct hook_state *f)
{
    struct hook_notes *notes = hook_notes(f);

    if (notes->watched != NULL)
        list_remove(&bs->watched_hooks, &notes->watch);
    notes->watched = NULL;
}

static void add(struct dispatcher *d, struct hook_state *f,
                const struct backlog *b)
{
    struct org_sum *org = hook_notes(f)->org;

    watch_hook(d->backlogs, f);
    hook_notes(f)->backlog.n_rows += b->n_rows;
    hook_notes(f)->backlog.n_bytes += b->n_bytes;
    if (org == NULL)
        return;
    watch_org(d->backlogs, org);
    org->sum.n_rows += b->n_rows;
    org->sum.n_bytes += b->n_bytes;
}

void backlog_join(struct dispatcher *d, struct hook_state *f)
{
    struct backlogs *bs = d->backlogs;
    struct org_sum *org;
    uint64_t no;

    watch_hook(bs, f); // it may be paused, or no longer
    if (hook_notes(f)->org != NULL)
        return; // a hook stays in its organization
    no = hook_record(f)->org_id;
    org = org_of(hash_map_find(&bs->orgs, no));
    if (org == NULL) {
        org = xcalloc(1, sizeof(*org));
        org->no = no;
        hash_map_add(&bs->orgs, &org->node, no);
    }
    hook_notes(f)->org = org;
    org->n_users++;
    watch_org(bs, org);
    org->sum.n_rows += hook_notes(f)->backlog.n_rows;
    org->sum.n_bytes += hook_notes(f)->backlog.n_bytes;
}

// --- sending sums ---

static bool can_tell(const struct channel *channel)
{
    return channel != NULL && channel_unsent_bytes(channel) < UNSENT_MAX;
}

// A process that reads slowly gets the sum a second later, unless it is the last one of
// this organization, which cannot be sent later.
static void tell_org(struct dispatcher *d, struct org_sum *org, bool is_last)
{
    struct channel *const chans[] = { d->ingest, d->api };
    bool is_told = true;

    for (size_t i = 0; i < 2; i++) {
        if (can_tell(chans[i]) || (is_last && chans[i] != NULL)) {
            org_backlog_pack(channel_begin(chans[i]), &org->now);
            channel_end_small(chans[i]);
        } else if (chans[i] != NULL) {
            is_told = false;
        }
    }
    if (is_told)
        org->told = org->now;
}

static void tell_hook(struct dispatcher *d, struct hook_state *f,
                      bool is_paused)
{
    const struct hook_backlog b = backlog_of(f);

    if (!can_tell(d->api))
        return;
    hook_backlog_pack(channel_begin(d->api), &b, is_paused);
    channel_end_small(d->api);
    hook_notes(f)->is_told = is_paused;
    hook_notes(f)->told = hook_notes(f)->backlog;
}

static void leave(struct dispatcher *d, struct hook_state *f)
{
    struct backlogs *bs = d->backlogs;
    struct org_sum *org = hook_notes(f)->org;

    unwatch_hook(bs, f);
    if (hook_notes(f)->is_told)
        tell_hook(d, f, false); // without api: a new link gets all sums
    if (org == NULL)
        return;
    hook_notes(f)->org = NULL;
    watch_org(bs, org);
    org->sum.n_rows -= hook_notes(f)->backlog.n_rows;
    org->sum.n_bytes -= hook_notes(f)->backlog.n_bytes;
    if (--org->n_users > 0)
        return;
    if (org->told.n_rows > 0) {
        org->now = (struct org_backlog){ .org_id = org->no };
        tell_org(d, org, true);
    }
    unwatch_org(bs, org);
    hash_map_remove(&bs->orgs, &org->node);
    free(org);
}

void backlog_on_link(struct dispatcher *d)
{
    d->backlogs->must_tell_all = true;
}

// --- every second ---

static void push_marks(struct backlogs *bs, int64_t now_us)
{
    for (struct org_sum *org = next_org(bs, NULL); org != NULL;
         org = next_org(bs, org))
        org->marks[bs->i_mark] = worth(&org->sum);
    bs->mark_at_us[bs->i_mark] = now_us;
    bs->i_mark = (bs->i_mark + 1) % MARKS;
}

static int64_t growth_of(const struct backlogs *bs, const struct org_sum *org,
                         int64_t now_us)
{
    int64_t took_us = now_us - bs->mark_at_us[bs->i_mark];
    int64_t grown = worth(&org->sum) - org->marks[bs->i_mark];

    return took_us > 0 ? (int64_t)((double)grown * 1e6 / (double)took_us) : 0;
}

static void sum_up(struct dispatcher *d, int64_t now_us)
{
    struct backlogs *bs = d->backlogs;
    int64_t n_bytes = 0;

    for (struct org_sum *org = next_org(bs, NULL); org != NULL;
         org = next_org(bs, org)) {
        org->now = (struct org_backlog){
            .org_id = org->no,
            .n_rows = positive(org->sum.n_rows),
            .n_bytes = positive(org->sum.n_bytes),
            .growth = org->sum.n_rows > 0 ? growth_of(bs, org, now_us) : 0,
        };
        n_bytes += (int64_t)org->now.n_bytes;
    }
    metrics_gauge(GAUGE_BACKLOG_BYTES, n_bytes);
}

static void refresh_hook(struct dispatcher *d, struct hook_state *f)
{
    const struct hook_backlog b = backlog_of(f);
    bool is_paused = hook_is_paused(f);

    if (hook_notes(f)->org != NULL)
        org_backlog_rank(&hook_notes(f)->org->now, &b);
    if (is_paused != hook_notes(f)->is_told ||
        (is_paused &&
         (d->backlogs->must_tell_all ||
          hook_notes(f)->told.n_rows != hook_notes(f)->backlog.n_rows ||
          hook_notes(f)->told.n_bytes != hook_notes(f)->backlog.n_bytes)))
        tell_hook(d, f, is_paused);
}

static bool is_hook_at_rest(const struct hook_state *f)
{
    const struct hook_notes *notes = hook_notes(f);

    return notes->backlog.n_rows == 0 && notes->backlog.n_bytes == 0 &&
           !notes->is_told && !hook_is_paused(f);
}

static void refresh_hooks(struct dispatcher *d)
{
    struct list *watched = &d->backlogs->watched_hooks;
    struct hook_notes *next = LIST_FIRST(watched, struct hook_notes, watch);

    while (next != NULL) {
        struct hook_state *f = next->watched;

        next = LIST_NEXT(next, struct hook_notes, watch);
        refresh_hook(d, f);
        if (is_hook_at_rest(f))
            unwatch_hook(d->backlogs, f);
    }
}

static bool is_news(const struct org_sum *org)
{
    return org->now.n_rows != org->told.n_rows ||
           org->now.n_bytes != org->told.n_bytes ||
           org->now.growth != org->told.growth ||
           org->now.fullest[0].hook_id != org->told.fullest[0].hook_id;
}

static bool is_org_at_rest(const struct org_sum *org)
{
    return org->sum.n_rows == 0 && org->sum.n_bytes == 0 && !is_news(org);
}

static void tell(struct dispatcher *d)
{
    struct backlogs *bs = d->backlogs;
    struct org_sum *next = next_org(bs, NULL);
    bool is_all = bs->must_tell_all;

    refresh_hooks(d);
    bs->must_tell_all = false;
    while (next != NULL) {
        struct org_sum *org = next;

        next = next_org(bs, org);
        if ((is_all && org->now.n_rows > 0) || is_news(org))
            tell_org(d, org, false);
        if (is_org_at_rest(org))
            unwatch_org(bs, org);
    }
}

void backlog_on_second(struct dispatcher *d)
{
    struct backlogs *bs = d->backlogs;
    int64_t now_us = clock_mono_us();

    if (!bs->is_counted)
        return;
    sum_up(d, now_us);
    tell(d);
    if (++bs->n_seconds % MARK_EVERY_S == 0)
        push_marks(bs, now_us);
}

// --- counting ---

static void on_moved(void *data, uint64_t hook_id, const struct backlog *moved)
{
    struct dispatcher *d = data;
    struct hook_state *f = hook_find(&d->schedule, hook_id);

    if (f != NULL)
        add(d, f, moved);
}

void backlog_on_commit(struct dispatcher *d)
{
    shard_backlog_moved(d->shard, on_moved, d);
}

static void on_counted_hook(void *data, uint64_t hook_id,
                            const struct backlog *b)
{
    add(data, hook_find_or_add(data, hook_id), b);
}

static void on_counted(void *data, enum err err)
{
    struct dispatcher *d = data;
    struct backlogs *bs = d->backlogs;
    int64_t now_us = clock_mono_us();

    if (err != OK) {
        log_warn("the backlog is counted without rows that cannot be read",
                 "reason=%s", log_quote(str_of(err_str(err))));
    }
    for (unsigned i = 0; i < MARKS; i++)
        push_marks(bs, now_us);
    bs->is_counted = true;
    bs->must_tell_all = true;
    d->on_hook_forgotten = leave;
    hook_forget_all_done(d); // what had to stay until now
    backlog_on_second(d);
}

void backlog_init(struct dispatcher *d)
{
    d->backlogs = xcalloc(1, sizeof(*d->backlogs));
}

void backlog_count(struct dispatcher *d)
{
    enum err err =
        shard_backlog_count(d->shard, on_counted_hook, on_counted, d);

    if (err != OK) {
        log_fatal("the backlog cannot be counted", "reason=%s",
                  log_quote(str_of(err_str(err))));
    }
}
