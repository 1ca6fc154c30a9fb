// SPDX-License-Identifier: MIT
// dispatch.c — does what the scheduling core says: sends, cancels, loads rows.
//
// Happy path: the core gives hooks their turns (schedule/turns.c), and each effect is
// done in its order. That frees or fills queues, so the core is asked again, until it
// has nothing to do.
//
// If it fails: when nothing may be sent any more, the attempts of the effects that are
// left go back to the core.

#include "engine/dispatcher/deliver/dispatch.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "engine/dispatcher/deliver/due_rows.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/deliver/send.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/record/storage.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

// With this many uncommitted bytes nothing more is sent. It is an eighth of the room
// that a shard keeps for a full disk (STORE_ROOM_BYTES): the commit before may have as
// much, and both may take twice as much on disk.
#define UNCOMMITTED_MAX_BYTES ((size_t)2 * 1024 * 1024)
// A commit that takes longer than this may never end: what is sent in the meantime
// would be sent again if the process were killed.
#define COMMIT_LATE_US INT64_C(100000)

bool dispatch_may_send(const struct dispatcher *d)
{
    return !d->is_draining && storage_has_room(d) &&
           batch_bytes(d->open_batch) < UNCOMMITTED_MAX_BYTES &&
           commit_took_us(d) < COMMIT_LATE_US;
}

static void log_alone(const struct effect *effect)
{
    const struct delivery *dv = in_flight_delivery(effect->attempt);

    log_warn("the dispatcher died twice with a delivery: it is tried alone",
             "%s position=%" PRIu64,
             hook_log_no(hook_state_id(delivery_hook(dv))),
             get_be64(delivery_position(dv).bytes));
}

static struct str text_of(enum cancel_reason reason)
{
    switch (reason) {
    case CANCEL_DELETED:
        return STR("the webhook was deleted");
    case CANCEL_SWITCHED_OFF:
        return STR("the webhook was switched off");
    case CANCEL_DIED:
        break;
    }
    return STR("the dispatcher died with this delivery, and with setting it "
               "aside");
}

static void perform(struct dispatcher *d, const struct effect *effect)
{
    struct hook_state *f;

    switch (effect->kind) {
    case EFFECT_SEND:
        if (effect->is_alone)
            log_alone(effect);
        send_attempt(d, effect->attempt);
        break;
    case EFFECT_SET_ASIDE:
        send_set_aside(d, effect->attempt);
        break;
    case EFFECT_CANCEL:
        f = delivery_hook(effect->delivery);
        delivery_cancel(d, effect->delivery, text_of(effect->reason));
        hook_forget_if_done(f);
        break;
    case EFFECT_LOAD_ROWS:
        due_rows_load(d, effect->hook);
        hook_forget_if_done(effect->hook);
        break;
    case EFFECT_HOOK_RESTS:
        hook_forget_if_done(effect->hook);
        break;
    case EFFECT_BREAKER_OPENED:
        break; // of an outcome, which has noted it
    }
}

// Attempts of the effects from `i` on go back, the last one first: each goes to the
// front of its queue, so the order stays.
static void return_attempts(struct dispatcher *d, const struct effects *out,
                            size_t i)
{
    for (size_t k = out->n; k > i; k--) {
        const struct effect *effect = &out->at[k - 1];

        if (effect->kind == EFFECT_SEND) {
            const struct schedule_event event = { .kind = SCHEDULE_RETURNED,
                                                  .attempt = effect->attempt };

            core_note(d, &event);
        }
    }
}

static void perform_all(struct dispatcher *d, const struct effects *out)
{
    bool may_send = true;

    for (size_t i = 0; i < out->n; i++) {
        const struct effect *effect = &out->at[i];

        if (may_send && effect->kind == EFFECT_SEND && !dispatch_may_send(d)) {
            return_attempts(d, out, i);
            may_send = false;
        }
        if (may_send || effect->kind != EFFECT_SEND)
            perform(d, effect);
    }
}

void dispatch_all(struct dispatcher *d)
{
    struct schedule_event event = { .kind = SCHEDULE_TICK };
    struct effects out;

    core_step(d, &event, &out);
    perform_all(d, &out);
    event.kind = SCHEDULE_TURNS;
    event.max_effects = EFFECTS_MAX;
    for (out.n = 1; out.n > 0 && dispatch_may_send(d);) {
        core_step(d, &event, &out);
        perform_all(d, &out);
    }
    metrics_gauge(GAUGE_ATTEMPTS_IN_FLIGHT, schedule_n_sent(&d->schedule));
}
