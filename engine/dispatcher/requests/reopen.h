// SPDX-License-Identifier: MIT
// reopen.h — finds a delivery, wherever it is, to make one more attempt of it.

#ifndef ENGINE_DISPATCHER_REQUESTS_REOPEN_H
#define ENGINE_DISPATCHER_REQUESTS_REOPEN_H

#include "engine/dispatcher/loop/dispatcher.h"

// Finds the delivery of this event, to be sent at once: send_now() takes it out of
// its queue if it waits there. ERR_AGAIN: it is in flight or just being settled. ERR_GONE: retention removed
// the event. ERR_NOTFOUND: the hook had no delivery of it.
MUST_CHECK enum err reopen_delivery(struct dispatcher *d, struct hook_state *f,
                                    struct position position,
                                    struct delivery **out);

// Makes a delivery of an event that the hook never got. ERR_EXISTS: the hook has, or
// had, a delivery of it. ERR_GONE: retention removed the event.
MUST_CHECK enum err reopen_unmatched(struct dispatcher *d, struct hook_state *f,
                                     struct position position,
                                     struct delivery **out);

// Makes a delivery in memory with this prior_state; it needs no row.
struct delivery *reopen_as(struct dispatcher *d, struct hook_state *f,
                           struct position position,
                           enum prior_state prior_state);

#endif
