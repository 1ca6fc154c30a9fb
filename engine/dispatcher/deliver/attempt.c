// SPDX-License-Identifier: MIT
// attempt.c — begins an attempt, and ends it at once if it cannot be made.

#include "engine/dispatcher/deliver/attempt.h"

#include <inttypes.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/process/blame.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/crash.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/deliver/send.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

void attempt_begin(struct dispatcher *d, struct delivery *dv)
{
    struct blamed before = aside_note(dv);
    struct unsent unsent = send_delivery(d, dv);

    if (unsent.slot != NULL) {
        outcome_of_unsent(d, unsent.slot, unsent.reason);
    } else if (unsent.reason.n_bytes > 0) {
        delivery_cancel(d, dv, unsent.reason);
    }
    blame_end(before);
}

void attempt_begin_event(struct dispatcher *d, struct delivery *dv,
                         const struct event *event)
{
    struct blamed before = aside_note(dv);
    struct unsent unsent = send_event(d, dv, event);

    if (unsent.slot != NULL)
        outcome_of_unsent(d, unsent.slot, unsent.reason);
    blame_end(before);
}

void attempt_set_aside(struct dispatcher *d, struct delivery *dv)
{
    struct blamed before = aside_note(dv);
    struct unsent unsent;

    log_warn("the dispatcher died three times with a delivery: it is set aside",
             "%s position=%" PRIu64,
             hook_log_or_no(dv->hook->hook, dv->hook->no),
             get_be64(dv->position.bytes));
    unsent = send_aside(d, dv);
    if (unsent.slot != NULL) {
        crash_set_aside(d, unsent.slot, unsent.reason);
    } else {
        delivery_cancel(d, dv, unsent.reason);
    }
    blame_end(before);
}
