// SPDX-License-Identifier: MIT
// local_addresses.h — the rules for the address guard: the settings, and this machine's
// own addresses, which are looked up again every 30 s.

#ifndef ENGINE_SENDER_LOCAL_ADDRESSES_H
#define ENGINE_SENDER_LOCAL_ADDRESSES_H

#include "common/config/config.h"
#include "engine/sender/address_guard.h"

struct local_addresses; // opaque

// `config` is borrowed until the next local_addresses_reload().
struct local_addresses *local_addresses_new(const struct config *config);
void local_addresses_reload(struct local_addresses *local,
                            const struct config *config);

// Borrowed until the next call.
const struct address_guard_rules *
local_addresses_rules(struct local_addresses *local);

#endif
