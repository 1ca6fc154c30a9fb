// send.h — makes a request of a delivery and gives it to a sender.

#ifndef ENGINE_DISPATCHER_DELIVER_SEND_H
#define ENGINE_DISPATCHER_DELIVER_SEND_H

#include "engine/dispatcher/schedule/schedule.h"

// Hands it to its sender, which must be there, with a slot free. One whose
// event cannot be read is cancelled.
void send_delivery(struct dispatcher *d, struct delivery *dv);

// The same for an event that is not in the log.
void send_event(struct dispatcher *d, struct delivery *dv,
                const struct event *event);

// The dispatcher died with it too often: it becomes a dead letter at once.
void send_aside(struct dispatcher *d, struct delivery *dv);

#endif
