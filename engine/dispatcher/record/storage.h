// SPDX-License-Identifier: MIT
// storage.h — whether there is room to commit the outcomes of deliveries.

#ifndef ENGINE_DISPATCHER_RECORD_STORAGE_H
#define ENGINE_DISPATCHER_RECORD_STORAGE_H

#include "engine/dispatcher/loop/dispatcher.h"

// Whether there is room to commit the outcomes of deliveries. If not, no attempt is
// begun.
bool storage_has_room(const struct dispatcher *d);

// Checks again. When room has run out, logs it; when there is room again, marks reading
// and sending.
void storage_refresh(struct dispatcher *d);

// While room is short, cuts the response that the history keeps.
void storage_shorten(const struct dispatcher *d, struct attempt *attempt);

#endif
