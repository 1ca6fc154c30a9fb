// SPDX-License-Identifier: MIT
// supervisor.h — starts the roles, watches them, and ends them in order.

#ifndef ENGINE_SUPERVISOR_SUPERVISOR_H
#define ENGINE_SUPERVISOR_SUPERVISOR_H

#include "common/config/config.h"
#include "common/config/settings.h"

// Runs the engine in the foreground until SIGTERM or SIGINT, then drains it.
// Returns the exit status: 0 after a clean drain, 1 if it could not start.
int supervisor_run(const struct config_sources *sources);

#endif
