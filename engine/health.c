// health.c — hooks that fail for long, and are switched off.
//
// Since when a hook fails is kept in the shard, so that a restart does not make
// it young again. Hooks are written by the api process alone: it is asked, once
// a second, until the hook's new revision is here. Until then nothing is sent.

#include <inttypes.h>

#include "common/clock.h"
#include "common/emit.h"
#include "common/log.h"
#include "engine/dispatch.h"

static void on_health(void *data, uint64_t hook_no,
                      const struct hook_health *health)
{
    followed_get(data, hook_no)->health = *health;
}

void health_load(struct dispatcher *d)
{
    if (shard_health_each(d->shard, on_health, d) != OK)
        log_fatal("health of the hooks cannot be read", "");
}

// Of hooks that were deleted while nobody looked.
void health_drop_orphans(struct dispatcher *d)
{
    for (size_t i = 0; d->by_no != NULL && i <= d->n_by_no_mask; i++) {
        struct followed *f = d->by_no[i];

        while (f != NULL) {
            struct followed *next = f->next_hash;

            if (f->hook == NULL) {
                health_forget(d, f);
                followed_forget_if_done(f);
            }
            f = next;
        }
    }
}

static void keep(struct dispatcher *d, const struct followed *f)
{
    change_health(d->filling, f->no, &f->health);
    settle_touch(d);
}

// --- asking api ---

static void ask_disable(struct dispatcher *d, const struct followed *f)
{
    struct disable disable = { .hook_no = f->no,
                               .revision = f->hook->revision,
                               .reason = (unsigned)f->disable_wanted };

    if (d->api == NULL)
        return; // at the next second
    disable_pack(chan_begin(d->api), &disable);
    chan_end_small(d->api);
}

static void want_disabled(struct dispatcher *d, struct followed *f,
                          enum hook_disabled reason)
{
    if (f->disable_wanted != HOOK_NOT_DISABLED || !followed_is_active(f))
        return;
    f->disable_wanted = reason;
    d->n_disabling++;
    ask_disable(d, f);
}

void health_gone(struct dispatcher *d, struct followed *f)
{
    want_disabled(d, f, HOOK_GONE);
}

void health_note(struct dispatcher *d, struct followed *f, bool succeeded)
{
    int64_t now_ms = clock_now_ms();
    int64_t since_ms = f->health.failing_since_ms;

    if (f->hook == NULL)
        return;
    if (succeeded) {
        if (since_ms == 0)
            return;
        f->health.failing_since_ms = 0;
        keep(d, f);
        return;
    }
    if (since_ms == 0 || since_ms > now_ms) { // the clock went back
        f->health.failing_since_ms = now_ms;
        keep(d, f);
    } else if (d->config->disable_after_ms > 0 &&
               now_ms - since_ms >= d->config->disable_after_ms) {
        want_disabled(d, f, HOOK_FAILING);
    }
}

void health_on_second(struct dispatcher *d)
{
    size_t n = d->n_disabling;

    for (size_t i = 0; n > 0 && i <= d->n_by_no_mask; i++) {
        for (struct followed *f = d->by_no[i]; f != NULL; f = f->next_hash) {
            if (f->disable_wanted == HOOK_NOT_DISABLED)
                continue;
            ask_disable(d, f);
            n--;
        }
    }
}

// --- hooks that change ---

static void stop_wanting(struct dispatcher *d, struct followed *f)
{
    if (f->disable_wanted == HOOK_NOT_DISABLED)
        return;
    f->disable_wanted = HOOK_NOT_DISABLED;
    d->n_disabling--;
}

static const char *reason_of(enum hook_disabled disabled)
{
    switch (disabled) {
    case HOOK_NOT_DISABLED:
        break;
    case HOOK_GONE:
        return "gone";
    case HOOK_FAILING:
        return "failing";
    }
    return "";
}

void health_on_hook(struct dispatcher *d, struct followed *f, bool was_active)
{
    const struct hook *hook = f->hook;

    stop_wanting(d, f); // whoever changed it may have mended it
    if (hook->disabled != HOOK_NOT_DISABLED &&
        f->health.told_disabled_at_ms != hook->disabled_at_ms) {
        f->health.told_disabled_at_ms = hook->disabled_at_ms;
        outbox_hook_event(d, f, "posthorn.hook.disabled",
                          reason_of(hook->disabled));
        keep(d, f);
    }
    if (hook->active && !was_active && f->health.failing_since_ms != 0) {
        f->health.failing_since_ms = 0; // it begins anew
        keep(d, f);
    }
}

void health_forget(struct dispatcher *d, struct followed *f)
{
    static const struct hook_health nothing = { 0 };

    stop_wanting(d, f);
    if (f->health.failing_since_ms == 0 && f->health.told_disabled_at_ms == 0)
        return;
    f->health = nothing;
    keep(d, f);
}
