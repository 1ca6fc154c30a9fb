// SPDX-License-Identifier: MIT
// endpoint.h — what hooks with the same receiver share: a window.

#ifndef ENGINE_DISPATCHER_SCHEDULE_ENDPOINT_H
#define ENGINE_DISPATCHER_SCHEDULE_ENDPOINT_H

#include "engine/dispatcher/schedule/schedule.h"

// The one of this URL; it stays while somebody uses it.
struct endpoint *endpoint_use(struct dispatcher *d, struct str url);
void endpoint_drop(struct dispatcher *d, struct endpoint *e); // NULL is fine

// Whether one more attempt of this hook may be sent there. Changes nothing.
bool endpoint_admits(const struct hook_state *f);

// Whether hooks wait for capacity of this hook's endpoint that is before its own
// turn. Changes nothing.
bool endpoint_is_awaited(const struct hook_state *f);

// Puts the hook, which is not ready, into the endpoint's wait queue: it gets
// ready again when there is capacity.
void endpoint_wait(struct hook_state *f);
void endpoint_sent(const struct slot *s);

// It has been in flight for long: its place is free.
void endpoint_set_apart(struct dispatcher *d, const struct slot *s);

// The attempt has ended: its place is free.
void endpoint_left(struct dispatcher *d, const struct slot *s);

// What an attempt says about the receiver.
void endpoint_heard(struct dispatcher *d, struct endpoint *e,
                    enum feedback feedback);

// Lets go on who waits though there are places: whoever was let go before did
// not use his, for want of something else.
void endpoints_look(struct dispatcher *d);

#endif
