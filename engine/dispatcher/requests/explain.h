// SPDX-License-Identifier: MIT
// explain.h — whether hooks want an event, why not, and what they would be sent; which
// events a hook would get that does not exist yet.

#ifndef ENGINE_DISPATCHER_REQUESTS_EXPLAIN_H
#define ENGINE_DISPATCHER_REQUESTS_EXPLAIN_H

#include "engine/dispatcher/loop/dispatcher.h"

// Takes a query, which is answered later. ERR_BUSY: too many queries wait. On an error
// no answer was sent.
MUST_CHECK enum err explain_start(struct dispatcher *d,
                                  const struct query *query);

// The same for QUERY_DRAFT. Also ERR_CORRUPT: the query has another form.
MUST_CHECK enum err explain_draft_start(struct dispatcher *d,
                                        const struct query *query);

#endif
