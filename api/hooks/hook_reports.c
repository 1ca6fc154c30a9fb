// SPDX-License-Identifier: MIT
// hook_reports.c — writes into hooks what dispatchers report of them: that one is to be
// switched off, and what a receiver answered to the handshake.
//
// If the hook was changed meanwhile, nothing is done: the dispatcher sees the change
// and decides anew. It repeats its report until it sees a change of the hook.

#include "api/hooks/hook_reports.h"

#include <inttypes.h>

#include "api/core/api_request.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/messages/engine_event.h"
#include "queue/queue.h"

static bool is_reason(unsigned reason)
{
    return reason == HOOK_GONE || reason == HOOK_FAILING;
}

static void on_disabled(void *data, const struct catalog_result *result)
{
    const struct hook *hook = result->hook;

    if (result->err != OK)
        return;
    log_info("hook switched off", "%s reason=%s", hook_log(hook),
             hook->disabled == HOOK_GONE ? "gone" : "failing");
    api_hint(data);
}

static void switch_off(struct api *api, const struct disable *disable,
                       const struct hook *found)
{
    const struct catalog_caller caller = { .done = on_disabled, .data = api };
    struct hook change = *found;

    if (!change.active || change.revision != disable->revision)
        return;
    change.active = false;
    change.disabled = (enum hook_disabled)disable->reason;
    change.disabled_at_ms = clock_now_ms();
    change.updated_at_ms = change.disabled_at_ms;
    hook_update(api->hooks, &change, &caller);
}

// --- answers to the handshake ---

static void on_written(void *data, const struct catalog_result *result)
{
    if (result->err == OK)
        api_hint(data);
}

// The hook's updatedAt stays: nobody has changed it.
static void write_answer(struct api *api, const struct handshake_report *report,
                         const struct hook *found)
{
    const struct catalog_caller caller = { .done = on_written, .data = api };
    struct hook change = *found;

    change.handshake = (struct hook_handshake){
        .is_wanted = found->handshake.is_wanted,
        .answer = report->answer,
        .rate_per_minute = report->rate_per_minute,
        .url_sha256 = report->url_sha256,
        .origin = report->origin,
        .reason = report->reason,
        .at_ms = report->at_ms,
    };
    if (change.handshake.is_wanted && change.revision == report->revision &&
        hook_handshake_is_current(&change, str_of(api->config->webhook_origin)))
        hook_update(api->hooks, &change, &caller);
}

// --- frames ---

// NULL: it was deleted.
static struct hook *find(struct api *api, uint64_t hook_id)
{
    struct hook *found = NULL;

    return hook_get_by_no(api->hooks, hook_id, hook_visit_copy, &found) == OK
               ? found
               : NULL;
}

void hook_reports_on_frame(struct api *api, struct str frame)
{
    struct handshake_report report;
    struct disable disable;
    struct hook *found = NULL;

    if (handshake_unpack(frame, &report) == OK) {
        found = find(api, report.hook_id);
        if (found != NULL)
            write_answer(api, &report, found);
    } else if (disable_unpack(frame, &disable) == OK &&
               is_reason(disable.reason)) {
        found = find(api, disable.hook_id);
        if (found != NULL)
            switch_off(api, &disable, found);
    } else {
        log_warn("a message from a dispatcher has an invalid form", "bytes=%zu",
                 frame.n_bytes);
    }
    hook_free(found);
}
