// SPDX-License-Identifier: MIT
// on_demand.h — attempts that somebody asked for: pings and redeliveries.

#ifndef ENGINE_DISPATCHER_REQUESTS_ON_DEMAND_H
#define ENGINE_DISPATCHER_REQUESTS_ON_DEMAND_H

#include "engine/dispatcher/schedule/schedule.h"

// A ping, a redelivery, or how it goes with a hook. On an error nothing was
// answered.
MUST_CHECK enum err on_demand_start(struct dispatcher *d,
                                    const struct query *ask);

#endif
