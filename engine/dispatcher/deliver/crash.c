// SPDX-License-Identifier: MIT
// crash.c — deliveries that a process died with.
//
// Happy path of a bad day: a sender dies, and the supervisor says how, and which order
// it was working on. The deaths of that delivery are counted; it goes back to the front
// of its hook's queue, as do the sender's other deliveries. With two deaths a delivery
// is sent alone, with three it becomes a dead letter (blame.h).

#include "engine/dispatcher/deliver/crash.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/messages/send_order.h"
#include "common/model/delivery.h"
#include "common/process/blame.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/replay_progress.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

void crash_set_aside(struct dispatcher *d, struct in_flight *s,
                     struct str reason)
{
    struct outcome o = {
        .error = ERROR_PROTOCOL,
        .error_message = reason,
        .started_at_us = clock_now_us(),
        .response_body = reason,
    };

    delivery_notes(in_flight_delivery(s))->is_aside = true;
    outcome_settle(d, s, &o);
}

// The delivery that the sender was working on is to blame. If it was working on none in
// particular, all deliveries that it had are suspects, but none gets its third death
// this way: with two deaths a delivery is sent alone, and then it is known which one
// kills.
static void count_crash(const struct dispatcher *d, struct delivery *dv,
                        const struct in_flight *s, const struct death *death)
{
    struct delivery_notes *notes = delivery_notes(dv);
    uint64_t order_no = in_flight_tag(&d->schedule, s);

    if (!death->is_own)
        return;
    if (death->blamed.kind != BLAME_ORDER) {
        notes->n_crashes += notes->n_crashes < BLAME_ALONE;
    } else if (death->blamed.a == role_index(d->role) &&
               death->blamed.b == order_no) {
        notes->n_crashes++;
    }
}

void crash_of_sender(struct dispatcher *d, struct in_flight *s,
                     const struct death *death)
{
    struct delivery *dv = in_flight_delivery(s);
    struct delivery_notes *notes = delivery_notes(dv);
    struct outcome o = {
        .error = ERROR_PROTOCOL,
        .error_message = STR("the sender process died with this delivery"),
        .started_at_us = clock_now_us(),
    };
    const struct schedule_event lost = { .kind = SCHEDULE_LOST, .attempt = s };
    // Ordered, and taken out of the index by hand: it must not wait in memory.
    bool leaves = delivery_must_leave(dv);
    const struct schedule_event ended = { .kind = SCHEDULE_ENDED,
                                          .attempt = s,
                                          .is_again = !leaves };

    count_crash(d, dv, s, death);
    if (notes->n_crashes >= BLAME_ASIDE) {
        metrics_count(COUNTER_ASIDE_DELIVERIES, 1);
        log_warn("a sender died three times with a delivery: it is set aside",
                 "%s position=%" PRIu64,
                 hook_log_or_no(hook_record(delivery_hook(dv)),
                                hook_state_id(delivery_hook(dv))),
                 get_be64(delivery_position(dv).bytes));
        crash_set_aside(d, s,
                        STR("the sender process died three times with this "
                            "delivery, so it is set aside"));
        return;
    }
    if (notes->prior_state != PRIOR_NONE) {
        outcome_settle(d, s, &o);
        return;
    }
    core_note(d, &lost);
    if (notes->is_replaying)
        replays_settled(d, dv, DELIVERY_RETRYING);
    if (hook_is_paused(delivery_hook(dv)) || leaves)
        requesters_refuse(d, dv, ERR_AGAIN); // it may have to wait for long
    core_note(d, &ended);
    if (leaves) {
        delivery_to_row(d, dv, 0);
    } else if (delivery_has_row(dv)) {
        // The same row, even if the hook has become ordered.
        struct due_row row = delivery_row(dv, delivery_due_at_ms(dv));

        row.due_at_ms = delivery_due_at_ms(dv);
        batch_due_put(d->open_batch, &row);
        commit_schedule(d);
    }
}
