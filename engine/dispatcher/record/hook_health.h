// SPDX-License-Identifier: MIT
// hook_health.h — hooks that fail: alarms, and hooks that are switched off.

#ifndef ENGINE_DISPATCHER_RECORD_HOOK_HEALTH_H
#define ENGINE_DISPATCHER_RECORD_HOOK_HEALTH_H

#include "engine/dispatcher/loop/dispatcher.h"

// Closed to other rooms.
struct health {
    struct hook_state *late; // hooks with an alarm that waits
    uint64_t *disables;      // hooks to be switched off after a commit
    size_t n_disables, disables_room;
    size_t n_disabling; // hooks that api is asked to switch off
};

const struct hook_health *health_of(const struct hook_state *f);

// Whether api is asked, or about to be asked, to switch the hook off.
bool health_is_disabling(const struct hook_state *f);

void health_load(struct dispatcher *d);
void health_drop_orphans(struct dispatcher *d); // once the hooks are known

// An attempt has ended (its times are set here): raises or ends an alarm, and
// has the hook switched off if it failed for too long.
void health_note(struct dispatcher *d, struct hook_state *f,
                 struct failing_attempt end);

// The receiver answered that it is gone for good.
void health_gone(struct dispatcher *d, struct hook_state *f);

// A new revision of the hook was read.
void health_on_hook(struct dispatcher *d, struct hook_state *f,
                    bool was_active);

// The hook is deleted.
void health_forget(struct dispatcher *d, struct hook_state *f);
void health_on_committed(struct dispatcher *d);
void health_on_second(struct dispatcher *d);

#endif
