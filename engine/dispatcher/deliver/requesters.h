// SPDX-License-Identifier: MIT
// requesters.h — who asked for an attempt, and is answered when it is committed.

#ifndef ENGINE_DISPATCHER_DELIVER_REQUESTERS_H
#define ENGINE_DISPATCHER_DELIVER_REQUESTERS_H

#include "engine/dispatcher/schedule/schedule.h"

// Whoever asked for it is answered when d->open_batch is committed.
void requesters_answer(struct dispatcher *d, struct delivery *dv,
                       int64_t started_at_us);

// Answers whoever asked for an attempt that is not made after all.
void requesters_refuse(struct dispatcher *d, struct delivery *dv, enum err err);

// OK: d->committing_batch is committed. Else there is no room for it: whoever waits for a
// commit is told so.
void requesters_send_answers(struct dispatcher *d, enum err err);

// Sent with the next commit's answers; `n_apis` is the link that asked.
void requesters_answer_later(struct dispatcher *d, uint64_t n_apis,
                             const struct reply *answer);

// Now.
void requesters_answer_now(struct dispatcher *d, const struct reply *answer);

// `ask` waits for what comes of this delivery's attempt.
void requesters_add(struct dispatcher *d, struct delivery *dv,
                    const struct query *ask, const struct id *event_id);

#endif
