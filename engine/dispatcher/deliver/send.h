// SPDX-License-Identifier: MIT
// send.h — makes attempts, and ends them at once if they cannot be made.

#ifndef ENGINE_DISPATCHER_DELIVER_SEND_H
#define ENGINE_DISPATCHER_DELIVER_SEND_H

#include "engine/dispatcher/loop/dispatcher.h"

// Makes an attempt that is in flight for the scheduling core: its order goes to its
// sender, which must be connected.
void send_attempt(struct dispatcher *d, struct in_flight *a);

// Begins and makes an attempt of a delivery that is in hand, out of its hook's turn.
// `is_paced`: the hook's rate and breaker count it. Its sender must be connected, and a
// slot free.
void send_now(struct dispatcher *d, struct delivery *dv, bool is_paced);
// Like send_now(), not paced, for an event that is not in the log.
void send_event_now(struct dispatcher *d, struct delivery *dv,
                    const struct event *event);

// The dispatcher died with this delivery too often: it becomes a dead letter at once.
void send_set_aside(struct dispatcher *d, struct in_flight *a);

#endif
