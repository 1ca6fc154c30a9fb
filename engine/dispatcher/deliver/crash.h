// SPDX-License-Identifier: MIT
// crash.h — deliveries that a process died with.

#ifndef ENGINE_DISPATCHER_DELIVER_CRASH_H
#define ENGINE_DISPATCHER_DELIVER_CRASH_H

#include "engine/dispatcher/loop/dispatcher.h"

// The sender of this attempt died: the delivery goes back into its queue, and the
// attempt does not count. A delivery with a prior_state has no queue to go back to: its
// attempt fails. `death` says which delivery is to blame, if any. A delivery that
// senders died with too often becomes a dead letter.
void crash_of_sender(struct dispatcher *d, struct in_flight *s,
                     const struct death *death);

// No further attempt is made, for this reason: the delivery becomes a dead letter.
void crash_set_aside(struct dispatcher *d, struct in_flight *s,
                     struct str reason);

#endif
