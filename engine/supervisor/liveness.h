// SPDX-License-Identifier: MIT
// liveness.h — whether a child shows signs of life.

#ifndef ENGINE_SUPERVISOR_LIVENESS_H
#define ENGINE_SUPERVISOR_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/supervisor/child.h"

// Whether the role has shown a sign of life within the service manager's patience. One that
// hangs before its first turn is killed.
bool child_lives(struct child *c, int64_t patience_us);

#endif
