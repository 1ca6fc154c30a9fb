// SPDX-License-Identifier: MIT
// discard_choice.h — which dead letters a request chooses.

#ifndef ENGINE_DISPATCHER_REQUESTS_DISCARD_CHOICE_H
#define ENGINE_DISPATCHER_REQUESTS_DISCARD_CHOICE_H

#include "engine/dispatcher/requests/discard_slice.h"

// Reads what the query chooses. ERR_CORRUPT: the query cannot be read.
MUST_CHECK enum err choice_read(struct discard_request *r,
                                const struct query *query);

// Looks up ids of the request until `until_us` (monotonic). True: all are looked up.
bool choice_find_event(struct dispatcher *d, struct discard_request *r,
                       int64_t until_us);

// Whether the request chooses this dead letter, which is the next behind `r->at`. Moves
// `r->at` there, or further, to where the next one may be: then `*is_jump` is set.
bool choice_wants(struct dispatcher *d, struct discard_request *r,
                  const struct dead_row *row, bool *is_jump);

#endif
