// SPDX-License-Identifier: MIT
// on_demand.h — attempts that somebody asked for: pings and redeliveries.

#ifndef ENGINE_DISPATCHER_REQUESTS_ON_DEMAND_H
#define ENGINE_DISPATCHER_REQUESTS_ON_DEMAND_H

#include "engine/dispatcher/loop/dispatcher.h"

// Takes a query for a ping, a redelivery or the status of a hook. On an error no answer
// was sent.
MUST_CHECK enum err on_demand_start(struct dispatcher *d,
                                    const struct query *query);

#endif
