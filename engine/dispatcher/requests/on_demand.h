// SPDX-License-Identifier: MIT
// on_demand.h — attempts that somebody asked for: pings and redeliveries.

#ifndef ENGINE_DISPATCHER_REQUESTS_ON_DEMAND_H
#define ENGINE_DISPATCHER_REQUESTS_ON_DEMAND_H

#include "engine/dispatcher/loop/dispatcher.h"

void on_demand_init(struct dispatcher *d);

// Takes a query for a ping, a redelivery or the status of a hook. A redelivery of what
// is just being settled waits for the commit, 2 s at most; then, and if its attempt
// cannot be made for another reason, it is ERR_AGAIN. On an error no answer was sent.
MUST_CHECK enum err on_demand_start(struct dispatcher *d,
                                    const struct query *query);

// A commit has ended, with this result: redeliveries that waited for it are made, or
// answered with its error.
void on_demand_on_commit(struct dispatcher *d, enum err err);

// Nobody waits for this query any more.
void on_demand_forget(struct dispatcher *d, uint64_t no);

#endif
