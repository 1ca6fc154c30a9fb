// SPDX-License-Identifier: MIT
// local_addresses.h — the rules for the address guard: the settings, and this machine's
// own addresses, which are looked up again every 30 s.

#ifndef ENGINE_SENDER_LOCAL_ADDRESSES_H
#define ENGINE_SENDER_LOCAL_ADDRESSES_H

#include "common/config/config.h"
#include "engine/sender/address_guard.h"

struct own_addresses; // opaque

// `config` is borrowed until the next own_addresses_reload().
struct own_addresses *own_addresses_new(const struct config *config);
void own_addresses_reload(struct own_addresses *own,
                          const struct config *config);

// Borrowed until the next call.
const struct guard_rules *own_addresses_rules(struct own_addresses *own);

#endif
