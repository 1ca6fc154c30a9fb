// SPDX-License-Identifier: MIT
// handshakes.h — asks receivers for permission, for hooks that want the handshake.

#ifndef ENGINE_DISPATCHER_DELIVER_HANDSHAKES_H
#define ENGINE_DISPATCHER_DELIVER_HANDSHAKES_H

#include <stdbool.h>

#include "common/messages/send_order.h"
#include "engine/dispatcher/loop/dispatcher.h"

// The low half of the number of each of its orders. An attempt's tag has the number of a
// slot there, of which there are fewer.
#define HANDSHAKE_ORDER UINT32_MAX

void handshakes_init(struct dispatcher *d);

// The hook has a record that is new or changed: if it awaits permission, its receiver is
// asked, at once if it was not asked yet under this URL and origin.
void handshakes_on_hook(struct dispatcher *d, struct hook_state *f);

// Takes the end of an order of this module. False: the sender has no such order.
bool handshakes_apply(struct dispatcher *d, unsigned sender,
                      struct outcome *outcome);

// The sender is gone: what it was to ask is asked again later.
void handshakes_lose_sender(struct dispatcher *d, unsigned sender);

// A sender died: if it was the request of a handshake that it died with, and not for the
// first time, nobody is asked for that hook any more until it changes.
void handshakes_blame(struct dispatcher *d, const struct death *death);

// Asks again whom it is time to ask, and tells api what it has not written yet.
void handshakes_on_second(struct dispatcher *d);

#endif
