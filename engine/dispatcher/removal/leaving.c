// SPDX-License-Identifier: MIT
// leaving.c — whether anything of an organization that is erased may still come into the
// dispatcher's shard.
//
// The organization's hooks are deleted before. What the dispatcher does for a deleted hook
// it does here, too: deliveries that wait and dead letters are cancelled, attempts in
// flight run to their end, replays end. When no deleted hook is left, of whichever
// organization, and no replay of this one, all that is known of it is in the open batch or
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

// A hook whose record cannot be read is there, but has none.
static bool has_deleted_hook(const struct dispatcher *d)
{
    for (const struct hook_state *f = hook_next(&d->schedule, NULL); f != NULL;
         f = hook_next(&d->schedule, f)) {
        if (hook_record(f) == NULL && !hook_is_aside(f))
            return true;
    }
    return false;
}

static bool is_settled(const struct dispatcher *d, const struct erasure *e)
{
    for (size_t i = 0; i < 2; i++) {
        if (e->org_nos[i] != 0 &&
            (replays_are_of(d, e->org_nos[i]) || jobs_are_of(d, e->org_nos[i])))
            return false;
    }
    return !has_deleted_hook(d) && !sweep_leaves_some(d);
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
    } else if (!l->are_hooks_read) {
        l->are_hooks_read = true;
    }
    if (l->are_hooks_read && !l->is_settled && is_settled(d, &l->erasure)) {
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

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
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
        if (l->n_hooks == l->hooks_room) {
            l->hooks_room = l->hooks_room > 0 ? l->hooks_room * 2 : 64;
            l->hooks = xrealloc(l->hooks, l->hooks_room * sizeof(*l->hooks));
        }
        l->hooks[l->n_hooks++] = hook_state_id(f);
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
