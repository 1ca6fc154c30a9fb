// SPDX-License-Identifier: MIT
// send.h — makes a request of a delivery and gives it to a sender.

#ifndef ENGINE_DISPATCHER_DELIVER_SEND_H
#define ENGINE_DISPATCHER_DELIVER_SEND_H

#include "engine/dispatcher/schedule/schedule.h"

// Why a delivery was not given to its sender. An empty reason: it was given. With a
// slot, the attempt counts as in flight, and the caller has to end it with this reason.
// Without a slot, the event cannot be read, and the caller has to cancel the delivery.
struct unsent {
    struct slot *slot;
    struct str reason;
};

// Gives the delivery to its sender, which must be connected. A slot must be free.
MUST_CHECK struct unsent send_delivery(struct dispatcher *d,
                                       struct delivery *dv);
// Like send_delivery(), for an event that is not in the log.
MUST_CHECK struct unsent send_event(struct dispatcher *d, struct delivery *dv,
                                    const struct event *event);
// Fills a slot with what the history needs, and makes no request: never without a
// reason.
MUST_CHECK struct unsent send_aside(struct dispatcher *d, struct delivery *dv);

#endif
