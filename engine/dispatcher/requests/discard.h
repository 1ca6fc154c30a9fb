// SPDX-License-Identifier: MIT
// discard.h — dead letters that are settled without a further attempt.
//
//   discard.c         turns; requests to discard, and their answers
//   discard_choice.c  which dead letters a request chooses
//   discard_sweep.c   dead letters of deleted hooks
//   discard_slice.c   what these share: reading and settling dead letters in slices

#ifndef ENGINE_DISPATCHER_REQUESTS_DISCARD_H
#define ENGINE_DISPATCHER_REQUESTS_DISCARD_H

#include "engine/dispatcher/requests/discard_slice.h"

// Begins to look for dead letters of deleted hooks. To be called once the hooks are
// known.
void discard_init(struct dispatcher *d);
void discard_on_query(struct dispatcher *d, const struct query *query);

// Nobody waits for the answer to this query any more.
void discard_forget(struct dispatcher *d, uint64_t no);

#endif
