// SPDX-License-Identifier: MIT
// verdict.c — what an outcome means for its delivery, by the hook and the settings.
//
// The rules are in retry.c; this module passes them the hook, the settings and the
// time.

#include "engine/dispatcher/record/verdict.h"

#include "common/base/clock.h"
#include "common/messages/send_order.h"
#include "common/model/delivery.h"
#include "common/model/formats/format.h"
#include "common/model/formats/format_table.h"
#include "engine/delivery/retry.h"
#include "engine/delivery/retry_after.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"

// A random number that spreads retries. Nobody gains by guessing it, so a system call
// for each attempt would be wasted. (Knuth's multiplier, the high half.)
uint32_t verdict_jitter(struct dispatcher *d)
{
    d->jitter_state = d->jitter_state * UINT64_C(6364136223846793005) +
                      UINT64_C(1442695040888963407);
    return (uint32_t)(d->jitter_state >> 32);
}

// The error that the sender reports, or ERROR_STATUS if the response's body says that
// the delivery failed.
static enum error_class error_of(const struct hook_state *f,
                                 const struct outcome *o)
{
    const struct format *format;

    if (o->error != ERROR_NONE || hook_record(f) == NULL)
        return o->error;
    format = format_by_number((int)hook_record(f)->format);
    if (format->says_failed != NULL && format->says_failed(o->response_body))
        return ERROR_STATUS;
    return ERROR_NONE;
}

struct verdict verdict_of(struct dispatcher *d, const struct in_flight *s,
                          const struct outcome *o)
{
    const struct hook_state *f = delivery_hook(in_flight_delivery(s));
    const struct verdict aside = { .kind = VERDICT_DEAD, .error = o->error };
    const struct attempt_end end = {
        .error = error_of(f, o),
        .is_ours = o->is_ours,
        .response_code = o->response_code,
        .n_attempts = delivery_notes(in_flight_delivery(s))->n_attempts -
                      delivery_notes(in_flight_delivery(s))->n_before,
        .retry_after_ms = retry_after_ms(o->response_headers, clock_now_ms()),
    };
    const struct retry_policy policy = {
        .waits_ms = hook_notes(f)->retry_waits_ms != NULL
                        ? hook_notes(f)->retry_waits_ms
                        : d->config->retry_schedule_ms,
        .n_waits = hook_notes(f)->retry_waits_ms != NULL
                       ? hook_notes(f)->n_retry_waits
                       : d->config->n_retries,
        .jitter = verdict_jitter(d),
        .overload_wait_ms = d->config->overload_wait_ms,
    };

    return delivery_notes(in_flight_delivery(s))->is_aside
               ? aside
               : retry_decide(&end, &policy);
}
