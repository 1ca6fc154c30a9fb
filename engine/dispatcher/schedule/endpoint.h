// SPDX-License-Identifier: MIT
// endpoint.h — an endpoint: the window that hooks with the same receiver share.

#ifndef ENGINE_DISPATCHER_SCHEDULE_ENDPOINT_H
#define ENGINE_DISPATCHER_SCHEDULE_ENDPOINT_H

#include "engine/dispatcher/schedule/schedule.h"

struct placement;

// The endpoint of this URL. It exists until each user has called endpoint_drop().
struct endpoint *endpoint_use(struct schedule *s, struct str url);
void endpoint_drop(struct schedule *s, struct endpoint *e); // NULL is fine
void endpoints_free(struct schedule *s); // frees all, used or not

// Whether one more attempt of this hook may be sent there. Changes nothing.
bool endpoint_admits(const struct schedule *s, const struct hook_state *f);

// Whether other hooks wait for the endpoint's capacity that this hook would use: it
// has to queue behind them. Changes nothing.
bool endpoint_is_awaited(const struct hook_state *f);

// Puts the hook, which is not ready, into the endpoint's wait queue: it gets
// ready again when there is capacity.
void endpoint_wait(struct hook_state *f);
void endpoint_sent(const struct in_flight *a);

// The attempt has been in flight for long: it no longer counts against the window.
void endpoint_set_apart(struct schedule *s, const struct in_flight *a);

// The attempt has ended: its part of the window is free.
void endpoint_left(struct schedule *s, const struct in_flight *a);

// What an attempt says about the receiver.
void endpoint_heard(struct schedule *s, struct endpoint *e,
                    enum feedback feedback);

// Four times a second: wakes waiting hooks while endpoints have free capacity, since a
// hook that was woken earlier may have been unable to use it; and spreads endpoints over
// the senders by their work.
void endpoints_look(struct schedule *s);

// Which senders its attempts go through. Valid as long as the endpoint.
const struct placement *endpoint_placement(const struct endpoint *e);

#endif
