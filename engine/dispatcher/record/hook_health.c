// SPDX-License-Identifier: MIT
// hook_health.c — hooks that fail: alarms, and hooks that are switched off.
//
// failing.h defines what counts as failing. A hook's health is kept in the shard, and
// committed in the same transaction as the attempts that it is computed from and the
// events that report it, so that a restart neither forgets nor repeats anything.
//
// A hook is switched off after the commit of the attempt that is the reason for it.
// Only the api process writes hooks: it is asked once a second until the hook's new
// revision is read. Until then nothing is sent to the hook.

#include "engine/dispatcher/record/hook_health.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/encoding/json_writer.h"
#include "common/log/log.h"
#include "common/messages/engine_event.h"
#include "common/model/delivery.h"
#include "common/model/event_kinds.h"
#include "common/model/hook.h"
#include "common/process/channel.h"
#include "engine/delivery/failing.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/dead_report.h"
#include "engine/dispatcher/record/engine_events.h"
#include "engine/dispatcher/record/health_rows.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

static void note_late(struct dispatcher *d, struct hook_state *f)
{
    if (hook_notes(f)->is_alarm_late)
        return;
    hook_notes(f)->is_alarm_late = true;
    hook_notes(f)->next_late = d->health->late;
    d->health->late = f;
}

static void on_health(void *data, uint64_t hook_id,
                      const struct hook_health *health)
{
    struct dispatcher *d = data;
    struct hook_state *f = hook_find_or_add(d, hook_id);

    hook_notes(f)->health = *health;
    hook_notes(f)->health.dead = NULL;
    if (health->cause != FAILING_NOT && !health->is_alarmed)
        note_late(d, f);
    if (health->dead != NULL)
        dead_report_load(f, health->dead);
}

void health_load(struct dispatcher *d)
{
    d->health = xcalloc(1, sizeof(*d->health));
    d->health_rows = xcalloc(1, sizeof(*d->health_rows));
    if (shard_health_each(d->shard, on_health, d) != OK)
        log_fatal("the health records of hooks cannot be read", "");
}

// Removes the health of hooks that were deleted while no dispatcher ran.
void health_drop_orphans(struct dispatcher *d)
{
    struct hook_state *next = hook_next(&d->schedule, NULL);

    while (next != NULL) {
        struct hook_state *f = next;

        next = hook_next(&d->schedule, f);
        if (hook_record(f) == NULL && !hook_is_aside(f)) {
            health_forget(d, f);
            hook_forget_if_done(f);
        }
    }
}

const struct hook_health *health_of(const struct hook_state *f)
{
    return &hook_notes(f)->health;
}

bool health_is_disabling(const struct hook_state *f)
{
    return hook_notes(f)->disable_wanted != HOOK_NOT_DISABLED;
}

// --- asking api ---

static void ask_disable(struct dispatcher *d, const struct hook_state *f)
{
    struct disable disable = { .hook_id = hook_state_id(f),
                               .revision = hook_record(f)->revision,
                               .reason =
                                   (unsigned)hook_notes(f)->disable_wanted };

    if (d->api == NULL)
        return; // tried again a second later
    disable_pack(channel_begin(d->api), &disable);
    channel_end_small(d->api);
}

static void hold(struct dispatcher *d, struct hook_state *f, bool is_held)
{
    const struct schedule_event event = { .kind = SCHEDULE_HOOK_HELD,
                                          .hook = f,
                                          .is_set = is_held };

    core_note(d, &event);
}

static void want_disabled(struct dispatcher *d, struct hook_state *f,
                          enum hook_disabled reason)
{
    // A paused hook is not switched off, which would cancel what waits for it: the next
    // attempt after the pause leads here again.
    if (hook_notes(f)->disable_wanted != HOOK_NOT_DISABLED ||
        !hook_is_active(f) || hook_is_paused(f))
        return;
    hook_notes(f)->disable_wanted = reason;
    hook_notes(f)->disable_from = commit_number(d);
    d->health->n_disabling++;
    hold(d, f, true);
    if (d->health->n_disables == d->health->disables_room) {
        d->health->disables_room =
            d->health->disables_room > 0 ? d->health->disables_room * 2 : 16;
        d->health->disables =
            xrealloc(d->health->disables,
                     d->health->disables_room * sizeof(*d->health->disables));
    }
    d->health->disables[d->health->n_disables++] = hook_state_id(f);
}

void health_gone(struct dispatcher *d, struct hook_state *f)
{
    want_disabled(d, f, HOOK_GONE);
}

// --- attempts ---

// The longest time between two attempts of a hook that has something to send: the wait
// that its schedule, its breaker or an overloaded receiver causes, with the jitter, and
// the attempt itself.
static int64_t longest_gap_ms(const struct dispatcher *d,
                              const struct hook_state *f)
{
    const struct config *c = d->config;
    bool has_own = hook_notes(f)->retry_waits_ms != NULL;
    const int64_t *waits_ms =
        has_own ? hook_notes(f)->retry_waits_ms : c->retry_schedule_ms;
    size_t n_waits = has_own ? hook_notes(f)->n_retry_waits : c->n_retries;
    int64_t timeout_ms = hook_record(f)->policy.timeout_ms > 0
                             ? hook_record(f)->policy.timeout_ms
                             : c->request_timeout_ms;
    int64_t longest_ms = c->breaker_wait_max_ms > c->overload_wait_ms
                             ? c->breaker_wait_max_ms
                             : c->overload_wait_ms;

    for (size_t i = 0; i < n_waits; i++) {
        if (waits_ms[i] > longest_ms)
            longest_ms = waits_ms[i];
    }
    return longest_ms + longest_ms / 5 + timeout_ms;
}

static void put_failing_since(struct json_writer *w,
                              const struct hook_health *h)
{
    clock_put_rfc3339(json_open_text(w, "failingSince"), h->failing_since_ms);
    json_close_text(w);
}

// `before`: the hook's health before this attempt.
static void tell_recovered(struct dispatcher *d, const struct hook_state *f,
                           const struct hook_health *before)
{
    struct buf more;
    struct json_writer w = json_writer(&more);

    buf_init(&more, 0);
    json_open_object(&w, NULL);
    json_put_u64(&w, "failedAttempts", before->n_failed);
    if (before->failing_since_ms > 0)
        put_failing_since(&w, before);
    json_close(&w);
    engine_event_add_of_hook(d, f, KIND_HOOK_RECOVERED, STR("it succeeded"),
                             buf_str(&more));
    buf_clear(&more);
}

static void tell_failing(struct dispatcher *d, const struct hook_state *f,
                         uint8_t percent)
{
    const struct hook_health *h = &hook_notes(f)->health;
    struct buf reason, more;
    struct json_writer w = json_writer(&more);

    buf_init(&reason, 0);
    buf_init(&more, 0);
    hook_health_put_reason(h, &reason);
    json_open_object(&w, NULL);
    json_put_u64(&w, "failedAttempts", h->n_failed);
    json_put_u64(&w, "responseCode", h->response_code);
    json_put_text(&w, "errorClass", error_name(h->error));
    put_failing_since(&w, h);
    if (d->config->disable_after_ms > 0) {
        json_put_u64(&w, "percent", percent);
    } else {
        json_put_null(&w, "percent");
    }
    json_close(&w);
    engine_event_add_of_hook(d, f, KIND_HOOK_FAILING, buf_str(&reason),
                             buf_str(&more));
    buf_clear(&more);
    buf_clear(&reason);
}

static struct failing_rules rules_of(const struct dispatcher *d,
                                     const struct hook_state *f)
{
    return (struct failing_rules){
        .failing_after = (uint32_t)d->config->failing_after,
        .disable_after_ms = d->config->disable_after_ms,
        .longest_gap_ms = longest_gap_ms(d, f),
    };
}

void health_note(struct dispatcher *d, struct hook_state *f,
                 struct failing_attempt end)
{
    struct hook_health before;
    struct failing_rules rules;
    struct failing_news news;

    if (hook_record(f) == NULL || (!end.succeeded && !hook_record(f)->active) ||
        (end.succeeded && failing_is_clear(&hook_notes(f)->health)))
        return;
    before = hook_notes(f)->health;
    rules = rules_of(d, f);
    end.ran_ms = health_ran_ms(d);
    end.now_ms = clock_now_ms();
    news = failing_after_attempt(&hook_notes(f)->health, &rules, &end);
    if (!news.is_changed)
        return;
    health_changed(d, f);
    for (unsigned i = 0; i < news.n_percents; i++)
        tell_failing(d, f, news.percents[i]);
    if (news.has_recovered)
        tell_recovered(d, f, &before);
    if (news.is_late)
        note_late(d, f);
    if (news.must_disable)
        want_disabled(d, f, HOOK_FAILING);
}

static void report_late(struct dispatcher *d, struct hook_state *f)
{
    struct failing_rules rules;
    struct failing_news news;

    hook_notes(f)->is_alarm_late = false;
    if (!hook_is_active(f)) {
        hook_forget_if_done(f);
        return;
    }
    rules = rules_of(d, f);
    news =
        failing_report_late(&hook_notes(f)->health, &rules, health_ran_ms(d));
    for (unsigned i = 0; i < news.n_percents; i++)
        tell_failing(d, f, news.percents[i]);
    if (news.is_changed)
        health_keep(d, f);
    if (news.is_late)
        note_late(d, f);
}

static void report_all_late(struct dispatcher *d)
{
    struct hook_state *f = d->health->late;

    d->health->late = NULL;
    while (f != NULL) {
        struct hook_state *next = hook_notes(f)->next_late;

        report_late(d, f);
        f = next;
    }
}

// Asks api once for each hook to be switched off, in the order of the commits.
void health_on_committed(struct dispatcher *d)
{
    size_t n = 0;

    for (; n < d->health->n_disables; n++) {
        const struct hook_state *f =
            hook_find(&d->schedule, d->health->disables[n]);

        if (f == NULL || hook_notes(f)->disable_wanted == HOOK_NOT_DISABLED)
            continue;
        if (hook_notes(f)->disable_from > schedule_n_commits(&d->schedule))
            break; // the hooks behind it belong to later commits
        ask_disable(d, f);
    }
    d->health->n_disables -= n;
    if (n > 0 && d->health->n_disables > 0) {
        memmove(d->health->disables, d->health->disables + n,
                d->health->n_disables * sizeof(*d->health->disables));
    }
}

// Asks once more: the api process that was asked before may have ended.
static void ask_again(struct dispatcher *d)
{
    size_t n = d->health->n_disabling;

    for (struct hook_state *f = hook_next(&d->schedule, NULL);
         n > 0 && f != NULL; f = hook_next(&d->schedule, f)) {
        if (hook_notes(f)->disable_wanted == HOOK_NOT_DISABLED)
            continue;
        if (hook_notes(f)->disable_from <= schedule_n_commits(&d->schedule))
            ask_disable(d, f);
        n--;
    }
}

void health_on_second(struct dispatcher *d)
{
    ask_again(d);
    if (!d->is_final_commit)
        report_all_late(d);
}

// --- hooks that change ---

static void stop_wanting(struct dispatcher *d, struct hook_state *f)
{
    if (hook_notes(f)->disable_wanted == HOOK_NOT_DISABLED)
        return;
    hook_notes(f)->disable_wanted = HOOK_NOT_DISABLED;
    d->health->n_disabling--;
    hold(d, f, false);
}

void health_on_hook(struct dispatcher *d, struct hook_state *f, bool was_active)
{
    const struct hook *hook = hook_record(f);

    stop_wanting(d, f); // the change may have mended the hook
    if (hook->disabled != HOOK_NOT_DISABLED &&
        hook_notes(f)->health.told_disabled_at_ms != hook->disabled_at_ms) {
        hook_notes(f)->health.told_disabled_at_ms = hook->disabled_at_ms;
        engine_event_add_of_hook(d, f, KIND_HOOK_DISABLED,
                                 str_of(hook_disabled_name(hook->disabled)),
                                 STR_EMPTY);
        health_keep(d, f);
    }
    if (hook->active && !was_active && failing_reset(&hook_notes(f)->health))
        health_keep(d, f);
}

void health_forget(struct dispatcher *d, struct hook_state *f)
{
    static const struct hook_health nothing = { 0 };
    bool was_empty = hook_health_is_empty(&hook_notes(f)->health);

    stop_wanting(d, f);
    dead_report_drop(f);
    hook_notes(f)->health = nothing;
    if (!was_empty)
        health_keep(d, f);
}
