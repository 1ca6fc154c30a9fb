// SPDX-License-Identifier: MIT
// ping.h — pings: attempts of an event that is in no log; its payload is in its row of
// the history.

#ifndef ENGINE_DISPATCHER_REQUESTS_PING_H
#define ENGINE_DISPATCHER_REQUESTS_PING_H

#include "engine/dispatcher/loop/dispatcher.h"

// A query, and what was found for it.
struct search {
    struct dispatcher *d;
    struct hook_state *f;
    const struct hook_scope *scope; // of the hook
    const struct query *query;
};
// Whether an attempt by hand may begin for this hook, which is then in `out`.
// ERR_AGAIN, ERR_FULL, ERR_BUSY, ERR_NOTFOUND, ERR_DENIED, ERR_CRASHED: as in an answer.
MUST_CHECK enum err on_demand_may_begin(struct dispatcher *d, uint64_t hook_id,
                                        struct hook_state **out);

// Sends an earlier ping once more, for `query`.
void ping_again(struct dispatcher *d, struct hook_state *f,
                const struct query *query, const struct event *event,
                uint32_t n_attempts);

// Sends a new ping for s->query.
void ping_send(const struct search *s);

#endif
