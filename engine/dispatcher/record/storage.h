// SPDX-License-Identifier: MIT
// storage.h — whether what becomes of a delivery can be committed.

#ifndef ENGINE_DISPATCHER_RECORD_STORAGE_H
#define ENGINE_DISPATCHER_RECORD_STORAGE_H

#include "engine/dispatcher/schedule/schedule.h"

// Whether what becomes of a delivery can be committed. If not, nothing is begun.
bool storage_has_room(const struct dispatcher *d);

// Looks whether that is so still, or again; then all goes on.
void storage_look(struct dispatcher *d);

// While room is short, history keeps less of a response.
void storage_shorten(const struct dispatcher *d, struct attempt *attempt);

#endif
