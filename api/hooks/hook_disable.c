// SPDX-License-Identifier: MIT
// hook_disable.c — switches hooks off when a dispatcher asks for it.
//
// If the hook was changed meanwhile, nothing is done: the dispatcher sees the change
// and decides anew. It repeats its request until it sees a change of the hook.

#include "api/hooks/hook_disable.h"

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

void disabling_on_frame(struct api *api, struct str frame)
{
    const struct catalog_caller caller = { .done = on_disabled, .data = api };
    struct hook *found = NULL;
    struct disable disable;
    struct hook change;

    if (disable_unpack(frame, &disable) != OK || !is_reason(disable.reason)) {
        log_warn("a message from a dispatcher has an invalid form", "bytes=%zu",
                 frame.n_bytes);
        return;
    }
    if (hook_get_by_no(api->hooks, disable.hook_id, hook_visit_copy, &found) !=
        OK)
        return; // deleted
    change = *found;
    if (change.active && change.revision == disable.revision) {
        change.active = false;
        change.disabled = (enum hook_disabled)disable.reason;
        change.disabled_at_ms = clock_now_ms();
        change.updated_at_ms = change.disabled_at_ms;
        hook_update(api->hooks, &change, &caller);
    }
    hook_free(found);
}
