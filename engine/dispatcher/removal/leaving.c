// SPDX-License-Identifier: MIT
// leaving.c — whether anything of an organization that is erased may still come into the
// dispatcher's shard.
//
// The organization's hooks are deleted before. What the dispatcher does for a deleted hook
// it does here, too: deliveries that wait and dead letters are cancelled, attempts in
// flight run to their end, replays end. The hooks that are deleted at the beginning, of
// whichever organization, are noted; when none of these is left, and no replay of this
// organization, all that is known of it is in the open batch or
// in a commit; the commit after that has it, and its statistics. Then the shard may remove
// what it has, and nothing comes afterwards, since no hook can be made until the erasure
// is done.

#include "engine/dispatcher/removal/leaving.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "engine/dispatcher/deliver/hook_cache.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/record/attempt_stats.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/replay_progress.h"
#include "engine/dispatcher/requests/discard_sweep.h"
#include "engine/dispatcher/requests/replay_jobs.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void add(uint64_t **at, size_t *n, size_t *room, uint64_t hook_id)
{
    if (*n == *room) {
        *room = *room > 0 ? *room * 2 : 64;
        *at = xrealloc(*at, *room * sizeof(**at));
    }
    (*at)[(*n)++] = hook_id;
}

// A hook whose record cannot be read is there, but has none.
static bool is_deleted(const struct hook_state *f)
{
    return hook_record(f) == NULL && !hook_is_aside(f);
}

static bool note_swept(void *data, uint64_t hook_id)
{
    struct leaving *l = data;

    add(&l->deleted, &l->n_deleted, &l->deleted_room, hook_id);
    return true;
}

static void note_deleted(const struct dispatcher *d, struct leaving *l)
{
    l->n_deleted = 0;
    for (const struct hook_state *f = hook_next(&d->schedule, NULL); f != NULL;
         f = hook_next(&d->schedule, f)) {
        if (is_deleted(f))
            (void)note_swept(l, hook_state_id(f));
    }
    sweep_each(d, note_swept, l);
    if (l->n_deleted > 0)
        qsort(l->deleted, l->n_deleted, sizeof(*l->deleted), compare);
}

static bool is_awaited(const struct leaving *l, uint64_t hook_id)
{
    return l->n_deleted > 0 && bsearch(&hook_id, l->deleted, l->n_deleted,
                                       sizeof(hook_id), compare) != NULL;
}

struct awaiting {
    const struct leaving *leaving;
    bool is_left;
};

static bool look_at_swept(void *data, uint64_t hook_id)
{
    struct awaiting *a = data;

    a->is_left = is_awaited(a->leaving, hook_id);
    return !a->is_left;
}

static bool has_awaited_hook(const struct dispatcher *d,
                             const struct leaving *l)
{
    struct awaiting a = { .leaving = l };

    for (const struct hook_state *f = hook_next(&d->schedule, NULL); f != NULL;
         f = hook_next(&d->schedule, f)) {
        if (is_deleted(f) && is_awaited(l, hook_state_id(f)))
            return true;
    }
    sweep_each(d, look_at_swept, &a);
    return a.is_left;
}

static bool is_settled(const struct dispatcher *d, const struct leaving *l)
{
    const struct erasure *e = &l->erasure;

    for (size_t i = 0; i < 2; i++) {
        if (e->org_nos[i] != 0 &&
            (replays_are_of(d, e->org_nos[i]) || jobs_are_of(d, e->org_nos[i])))
            return false;
    }
    return !has_awaited_hook(d, l);
}

static void forget(struct leaving *l)
{
    l->is_known = false;
    l->are_hooks_read = false;
    l->is_settled = false;
    l->is_over = false;
}

void leaving_on_second(struct dispatcher *d, struct leaving *l)
{
    struct erasure_mark mark = { .is_done = false };
    struct erasure e;
    enum err err = erasure_first(d->hooks, &e);

    if (err == OK && e.step == ERASE_DELIVERIES)
        err = shard_view_erasure(d->history, &mark);
    if (err != OK && err != ERR_NOTFOUND) {
        log_warn("what is erased cannot be told", "reason=%s",
                 log_quote(str_of(err_str(err))));
    }
    if (err != OK || e.step != ERASE_DELIVERIES ||
        erasure_mark_is_done(&mark, &e.id)) {
        forget(l);
        return;
    }
    if (!l->is_known || !id_eq(&l->erasure.id, &e.id)) {
        forget(l);
        l->erasure = e;
        l->is_known = true;
        turn_mark(d, TURN_HOOKS); // the turn comes before the next second
    } else if (!l->are_hooks_read && !sweep_is_walking(d)) {
        l->are_hooks_read = true;
        note_deleted(d, l);
    }
    if (l->are_hooks_read && !l->is_settled && is_settled(d, l)) {
        l->is_settled = true;
        attempt_stats_want(d);
        commit_schedule(d);
        l->commit = commit_number(d);
    }
    if (l->is_settled && !l->is_over) {
        l->is_over = schedule_n_commits(&d->schedule) >= l->commit;
        commit_schedule(d);
    }
}

// The hooks of all organizations that the shard has. One that is made later has no
// statistics yet when the shard removes.
static void note_hooks(const struct dispatcher *d, struct leaving *l)
{
    if (l->n_hooks > 0 && l->hooks_seen == hook_cache_seen(d))
        return;
    l->hooks_seen = hook_cache_seen(d);
    l->n_hooks = 0;
    for (const struct hook_state *f = hook_next(&d->schedule, NULL); f != NULL;
         f = hook_next(&d->schedule, f)) {
        add(&l->hooks, &l->n_hooks, &l->hooks_room, hook_state_id(f));
    }
    if (l->n_hooks > 0)
        qsort(l->hooks, l->n_hooks, sizeof(*l->hooks), compare);
}

const struct shard_erasure *leaving_what(struct dispatcher *d,
                                         struct leaving *l)
{
    if (!l->is_over || commit_is_under_way(d))
        return NULL;
    note_hooks(d, l);
    l->what = (struct shard_erasure){
        .id = l->erasure.id,
        .org_nos = { l->erasure.org_nos[0], l->erasure.org_nos[1] },
        .org = erasure_org(&l->erasure),
        .hooks = l->hooks,
        .n_hooks = l->n_hooks,
    };
    return &l->what;
}
