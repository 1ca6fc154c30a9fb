// SPDX-License-Identifier: MIT
// send.h — makes a request of a delivery and gives it to a sender.

#ifndef ENGINE_DISPATCHER_DELIVER_SEND_H
#define ENGINE_DISPATCHER_DELIVER_SEND_H

#include "engine/dispatcher/loop/dispatcher.h"

// Why an attempt, which counts as in flight, was not given to its sender. An empty
// reason: it was given. Else the caller has to end the attempt with this reason; if the
// event cannot be read, there is nothing that the history could keep, and the caller
// has to cancel the delivery.
struct unsent {
    struct str reason;
    bool is_unreadable;
};

// Gives the attempt's order to its sender, which must be connected.
MUST_CHECK struct unsent send_delivery(struct dispatcher *d,
                                       struct in_flight *a);
// Like send_delivery(), for an event that is not in the log.
MUST_CHECK struct unsent send_event(struct dispatcher *d, struct in_flight *a,
                                    const struct event *event);
// Notes what the history needs, and makes no request: never without a reason.
MUST_CHECK struct unsent send_aside(struct dispatcher *d, struct in_flight *a);

#endif
