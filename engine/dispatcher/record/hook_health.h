// SPDX-License-Identifier: MIT
// hook_health.h — hooks that fail: alarms, and hooks that are switched off.

#ifndef ENGINE_DISPATCHER_RECORD_HOOK_HEALTH_H
#define ENGINE_DISPATCHER_RECORD_HOOK_HEALTH_H

#include "engine/dispatcher/loop/dispatcher.h"

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
