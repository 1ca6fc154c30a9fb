// SPDX-License-Identifier: MIT
// discard_choice.h — which dead letters a question is about.

#ifndef ENGINE_DISPATCHER_REQUESTS_DISCARD_CHOICE_H
#define ENGINE_DISPATCHER_REQUESTS_DISCARD_CHOICE_H

#include "engine/dispatcher/requests/discard_slice.h"

// ERR_CORRUPT: the question cannot be read.
MUST_CHECK enum err choice_read(struct discard_request *r,
                                const struct query *ask);

// Looks up ids of the question until then (monotonic). True: all are.
bool choice_look_up(struct dispatcher *d, struct discard_request *r,
                    int64_t until_us);

// Whether the question is about this dead letter, which is the next behind `r->at`.
// Moves `r->at` there, or on to where the next one may lie: then `*is_jump` is set.
bool choice_wants(struct dispatcher *d, struct discard_request *r,
                  const struct dead_row *row, bool *is_jump);

#endif
