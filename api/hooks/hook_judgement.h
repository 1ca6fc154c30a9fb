// SPDX-License-Identifier: MIT
// hook_judgement.h — which of the newest events a hook would get that is only a draft.

#ifndef API_HOOKS_HOOK_JUDGEMENT_H
#define API_HOOKS_HOOK_JUDGEMENT_H

#include <stddef.h>

#include "api/core/api_request.h"

// Reads `events`, the number of events to judge; 0: none. False: it is not valid, this is no
// dry run, or the token may not read; the request has been answered.
bool judgement_read(struct api_request *rq, bool is_dry, size_t *n_events);

// Answers a dry run, later: with `printed`, the hook as a JSON object, and the newest
// events of its scope, at most `n_events`, each with the engine's verdict. Copies what it
// needs of the hook. The request's `data` and `on_free` are kept until its end.
void judgement_answer(struct api_request *rq, const struct hook *hook,
                      struct str printed, size_t n_events);

#endif
