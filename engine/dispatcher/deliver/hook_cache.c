// SPDX-License-Identifier: MIT
// hook_cache.c — follows the hooks of this shard.
//
// Happy path: the store says which hooks changed since the revision seen last;
// each is put into the match index and gets a `struct hook_state`.
//
// A hook that is deleted or switched off: what waits for it, in memory and in
// the index, is cancelled and counted. Attempts in flight run to their end.
//
// A hook that is paused: what waits for it stays in the index until the pause ends.

#include "engine/dispatcher/deliver/hook_cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/config_types.h"
#include "common/log/log.h"
#include "common/model/hook.h"
#include "common/model/operator.h"
#include "common/process/blame.h"
#include "common/process/role.h"
#include "engine/delivery/match.h"
#include "engine/delivery/signers.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/due_rows.h"
#include "engine/dispatcher/deliver/handshakes.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/record/backlog.h"
#include "engine/dispatcher/record/engine_events.h"
#include "engine/dispatcher/record/hook_health.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

struct hook_cache {
    uint64_t seen; // revision of the store that was read last
};

void hook_cache_init(struct dispatcher *d)
{
    d->hook_cache = xcalloc(1, sizeof(*d->hook_cache));
    d->index = match_index_new();
}

uint64_t hook_cache_seen(const struct dispatcher *d)
{
    return d->hook_cache->seen;
}

// What a receiver has allowed holds in any minute: what may go at once, a tenth of a
// second's worth, is taken off the rate.
static void allow(uint32_t per_minute, struct throttle_limits *limits)
{
    uint32_t burst = per_minute < 1200 ? 1 : per_minute / 600;
    uint32_t rate = per_minute + 1 - burst;

    if (limits->rate_per_minute == 0 || rate < limits->rate_per_minute)
        limits->rate_per_minute = rate;
    // Also where the webhook's own rate is the lower one.
    if (limits->rate_burst == 0 || burst < limits->rate_burst)
        limits->rate_burst = burst;
}

static struct throttle_limits limits_of(const struct dispatcher *d,
                                        const struct hook *hook)
{
    const struct config *c = d->config;
    const struct hook_policy *p = &hook->policy;

    struct throttle_limits limits = {
        .max_inflight = p->max_inflight > 0
                            ? p->max_inflight
                            : (uint32_t)c->max_inflight_per_hook,
        .rate_per_minute = p->rate_per_second * 60, // RATE_MAX has room
        .rate_burst = p->rate_burst,
        .breaker_failures = (uint32_t)c->breaker_failures,
        .breaker_wait_us = c->breaker_wait_ms * 1000,
        .breaker_wait_max_us = c->breaker_wait_max_ms * 1000,
    };

    if (hook->handshake.is_wanted && hook->handshake.rate_per_minute > 0 &&
        hook_handshake_is_current(hook, str_of(c->webhook_origin)))
        allow(hook->handshake.rate_per_minute, &limits);
    return limits;
}

// The api process has validated the hook's schedule.
static void take_schedule(struct hook_state *f)
{
    struct str text = hook_record(f)->policy.retry_schedule;
    int64_t waits_ms[RETRIES_MAX];
    size_t n = 0;

    if (text.n_bytes == 0 ||
        config_read_schedule(text, INT64_MAX, waits_ms, &n) != OK)
        n = 0;
    hook_set_retry_waits(f, waits_ms, n);
}

// Gives the scheduling core the hook's new record, or NULL: it is deleted.
static void change(struct dispatcher *d, struct hook_state *f,
                   struct hook *record)
{
    struct throttle_limits limits = { 0 };
    const struct schedule_event event = { .kind = SCHEDULE_HOOK_CHANGED,
                                          .hook = f,
                                          .record = record,
                                          .limits = &limits };
    struct hook *before = hook_record(f);

    if (record != NULL)
        limits = limits_of(d, record);
    core_note(d, &event);
    hook_free(before);
}

static void forget_hook(struct dispatcher *d, uint64_t no)
{
    struct hook_state *f = hook_find(&d->schedule, no);

    if (d->on_hook_deleted != NULL)
        d->on_hook_deleted(d, no);
    if (f == NULL)
        return;
    match_index_remove(d->index, no);
    health_forget(d, f);
    hook_set_retry_waits(f, NULL, 0);
    change(d, f, NULL);
    handshakes_on_hook(d, f);
    hook_forget_if_done(f);
}

// A hook whose record cannot be read is not deleted: if an earlier revision is known,
// it goes on with that; if none is known, what waits for it stays where it is.
static void keep_unreadable(struct dispatcher *d, uint64_t no)
{
    struct hook_state *f = hook_find_or_add(d, no);

    log_warn("the record of a hook cannot be read; what waits for it rests",
             "%s hook_no=%" PRIu64, "hook=\"(unreadable)\"", no);
    aside_set(d, f, hook_record(f) == NULL);
}

static void take_hook(struct dispatcher *d, const struct hook *hook)
{
    struct hook_state *f = hook_find_or_add(d, hook->no);
    bool was_active = hook_is_active(f);
    bool was_paused = hook_is_paused(f);
    bool is_known = hook_record(f) != NULL;
    struct hook *record = hook_copy(hook);

    record->awaits_handshake =
        hook_awaits_handshake(hook, str_of(d->config->webhook_origin));
    change(d, f, record);
    backlog_join(d, f);
    take_schedule(f);
    if (operator_is_org(hook->scope.org) && !hook->is_operator) {
        log_warn("hook of the reserved organization " OPERATOR_ORG
                 " gets nothing until it is changed",
                 "%s", hook_log(hook));
    }
    if (!match_index_put(d->index, hook_record(f), f)) {
        log_warn("the pattern of a hook is not valid any more; the hook gets "
                 "nothing until it is changed",
                 "%s", hook_log(hook));
    }
    // The end of a pause is treated like being switched on: failures count anew.
    health_on_hook(
        d, f, !is_known || (was_active && (!was_paused || hook_is_paused(f))));
    // What waits for a paused hook goes into the index, so that it takes no memory,
    // however much there is. So does what came back from a sender that died.
    if (hook_is_paused(f))
        due_rows_spill(d, f);
    handshakes_on_hook(d, f);
}

// Permissions are for one origin: after a change of it, hooks begin or cease to wait.
static void reload_origin(struct dispatcher *d)
{
    struct str origin = str_of(d->config->webhook_origin);

    for (struct hook_state *f = hook_next(&d->schedule, NULL); f != NULL;
         f = hook_next(&d->schedule, f)) {
        const struct hook *hook = hook_record(f);
        struct hook *copy;

        if (hook == NULL || !hook->handshake.is_wanted)
            continue;
        if (hook->awaits_handshake == hook_awaits_handshake(hook, origin)) {
            handshakes_on_hook(d, f);
            continue;
        }
        copy = hook_copy(hook); // take_hook() frees the record
        take_hook(d, copy);
        hook_free(copy);
    }
}

void hook_cache_reload(struct dispatcher *d)
{
    core_reload(d);
    for (struct hook_state *f = hook_next(&d->schedule, NULL); f != NULL;
         f = hook_next(&d->schedule, f)) {
        struct throttle_limits limits;
        const struct schedule_event event = { .kind = SCHEDULE_HOOK_LIMITS,
                                              .hook = f,
                                              .limits = &limits };

        if (hook_record(f) == NULL)
            continue;
        limits = limits_of(d, hook_record(f));
        core_note(d, &event);
    }
    reload_origin(d);
}

static bool on_hook(void *data, const struct hook *hook)
{
    struct dispatcher *d = data;
    struct blamed before;

    engine_events_on_hook(d, hook);
    if (queue_shard_of(hook->no, d->n_shards) != role_index(d->role))
        return true;
    log_debug("hook", "%s revision=%" PRIu64, hook_log(hook), hook->revision);
    before = blame_begin(BLAME_HOOK, hook->no, hook->revision);
    if (hook->is_damaged) {
        keep_unreadable(d, hook->no);
    } else if (hook->name.n_bytes == 0) {
        forget_hook(d, hook->no);
    } else if (!aside_hook(d, hook)) {
        take_hook(d, hook);
        blame_forget(BLAME_HOOK, hook->no, hook->revision);
    }
    blame_end(before);
    return true;
}

void hook_cache_refresh(struct dispatcher *d)
{
    enum err err = hook_watch(d->hooks, d->hook_cache->seen, on_hook, d,
                              &d->hook_cache->seen);

    // After the hooks: a hook that signs with its organization's key finds it.
    if (err == OK)
        err = signers_refresh(d->signers);
    if (err != OK) {
        log_fatal("hooks cannot be read", "reason=%s",
                  log_quote(str_of(err_str(err))));
    }
    turn_mark(d, TURN_SEND);
}
