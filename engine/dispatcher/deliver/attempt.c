// SPDX-License-Identifier: MIT
// attempt.c — makes an attempt, and ends it at once if it cannot be made.

#include "engine/dispatcher/deliver/attempt.h"

#include <inttypes.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/model/event.h"
#include "common/process/blame.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/crash.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/deliver/send.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

static void end_unsent(struct dispatcher *d, struct in_flight *a,
                       const struct unsent *unsent)
{
    if (unsent->is_unreadable) {
        outcome_of_unreadable(d, a, unsent->reason);
    } else if (unsent->reason.n_bytes > 0) {
        outcome_of_unsent(d, a, unsent->reason);
    }
}

void attempt_make(struct dispatcher *d, struct in_flight *a)
{
    struct blamed before = aside_note(in_flight_delivery(a));
    struct unsent unsent = send_delivery(d, a);

    end_unsent(d, a, &unsent);
    blame_end(before);
}

static struct in_flight *begin(struct dispatcher *d, struct delivery *dv,
                               bool is_paced)
{
    const struct schedule_event event = { .kind = SCHEDULE_BEGIN,
                                          .delivery = dv,
                                          .is_paced = is_paced };
    struct effects out;

    core_step(d, &event, &out);
    return out.at[0].attempt;
}

void attempt_begin(struct dispatcher *d, struct delivery *dv, bool is_paced)
{
    attempt_make(d, begin(d, dv, is_paced));
}

void attempt_begin_event(struct dispatcher *d, struct delivery *dv,
                         const struct event *event)
{
    struct blamed before = aside_note(dv);
    struct in_flight *a = begin(d, dv, false);
    struct unsent unsent = send_event(d, a, event);

    end_unsent(d, a, &unsent);
    blame_end(before);
}

void attempt_set_aside(struct dispatcher *d, struct in_flight *a)
{
    const struct delivery *dv = in_flight_delivery(a);
    struct blamed before = aside_note(dv);
    struct unsent unsent;

    log_warn("the dispatcher died three times with a delivery: it is set aside",
             "%s position=%" PRIu64,
             hook_log_or_no(hook_record(delivery_hook(dv)),
                            hook_state_id(delivery_hook(dv))),
             get_be64(delivery_position(dv).bytes));
    unsent = send_aside(d, a);
    if (unsent.is_unreadable) {
        outcome_of_unreadable(d, a, unsent.reason);
    } else {
        crash_set_aside(d, a, unsent.reason);
    }
    blame_end(before);
}
