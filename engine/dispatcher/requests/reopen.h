// SPDX-License-Identifier: MIT
// reopen.h — finds a delivery, wherever it is, to make one more attempt of it.

#ifndef ENGINE_DISPATCHER_REQUESTS_REOPEN_H
#define ENGINE_DISPATCHER_REQUESTS_REOPEN_H

#include "engine/dispatcher/schedule/schedule.h"

// The delivery of this event, taken out of its line: it is to be sent now.
// ERR_AGAIN: it is in flight or just being settled. ERR_GONE: retention removed
// the event. ERR_NOTFOUND: the hook had none.
MUST_CHECK enum err reopen_delivery(struct dispatcher *d, struct hook_state *f,
                                    struct position position,
                                    struct delivery **out);

// A delivery of an event that the hook never got. ERR_EXISTS: it has, or had, one,
// whoever made it. ERR_GONE: retention removed the event.
MUST_CHECK enum err reopen_unmatched(struct dispatcher *d, struct hook_state *f,
                                     struct position position,
                                     struct delivery **out);

// A new one in memory with this prior_state; it needs no row.
struct delivery *reopen_as(struct dispatcher *d, struct hook_state *f,
                           struct position position,
                           enum prior_state prior_state);

#endif
