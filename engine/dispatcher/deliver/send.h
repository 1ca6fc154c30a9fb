// SPDX-License-Identifier: MIT
// send.h — makes a request of a delivery and gives it to a sender.

#ifndef ENGINE_DISPATCHER_DELIVER_SEND_H
#define ENGINE_DISPATCHER_DELIVER_SEND_H

#include "engine/dispatcher/schedule/schedule.h"

// Why a delivery was not given to its sender. Without a reason, it was. With a slot, the
// attempt is in flight as far as the books go, and has to end in that; without one, the
// event cannot be read, and the delivery has to be cancelled.
struct unsent {
    struct slot *slot;
    struct str reason;
};

// Gives it to its sender, which must be there, with a slot free.
MUST_CHECK struct unsent send_delivery(struct dispatcher *d,
                                       struct delivery *dv);
// The same for an event that is not in the log.
MUST_CHECK struct unsent send_event(struct dispatcher *d, struct delivery *dv,
                                    const struct event *event);
// A slot with what the history wants to know, and no request: never without a reason.
MUST_CHECK struct unsent send_aside(struct dispatcher *d, struct delivery *dv);

#endif
