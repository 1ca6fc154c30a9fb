// SPDX-License-Identifier: MIT
// discard.h — dead letters that are settled without a further attempt: the inside,
// shared by its files.
//
//   discard.c         turns; what somebody asks for, and its answer
//   discard_choice.c  which dead letters a question is about
//   discard_sweep.c   those of hooks that are deleted

#ifndef ENGINE_DISPATCHER_REQUESTS_DISCARD_H
#define ENGINE_DISPATCHER_REQUESTS_DISCARD_H

#include "engine/dispatcher/requests/discard_slice.h"

// Once the hooks are known. Begins to look for dead letters of deleted hooks.
void discard_init(struct dispatcher *d);
void discard_on_ask(struct dispatcher *d, const struct query *ask);

// Nobody waits for the answer to this question any more.
void discard_forget(struct dispatcher *d, uint64_t no);

#endif
