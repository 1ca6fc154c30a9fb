// SPDX-License-Identifier: MIT
// requesters.h — the queries that asked for an attempt, which are answered once its
// outcome is committed.

#ifndef ENGINE_DISPATCHER_DELIVER_REQUESTERS_H
#define ENGINE_DISPATCHER_DELIVER_REQUESTERS_H

#include "engine/dispatcher/loop/dispatcher.h"

struct requester;

// Closed to other rooms.
struct requesters {
    struct requester *open, *committing; // answers to send when committed
    uint32_t n; // attempts asked for by hand and not answered yet
};

void requesters_init(struct dispatcher *d);
uint32_t requesters_n(const struct dispatcher *d);

// d->open_batch is about to be committed.
void requesters_committing(struct dispatcher *d);

// The queries that wait for this delivery are answered when d->open_batch is committed.
void requesters_answer(struct dispatcher *d, struct delivery *dv,
                       int64_t started_at_us);

// Answers the queries that wait for this delivery at once, with `err`: the attempt is
// not made.
void requesters_refuse(struct dispatcher *d, struct delivery *dv, enum err err);

// OK: d->committing_batch is committed, and the queries that waited for this commit are
// answered. Any other error: there is no room for it, and the queries that wait for
// this or the next commit are answered with `err`.
void requesters_send_answers(struct dispatcher *d, enum err err);

// Answers a query when d->open_batch is committed; `n_apis` is the link that asked.
void requesters_answer_later(struct dispatcher *d, uint64_t n_apis,
                             const struct reply *answer);

// Answers a query now.
void requesters_answer_now(struct dispatcher *d, const struct reply *answer);

// Query `ask` waits for the outcome of this delivery's attempt.
void requesters_add(struct dispatcher *d, struct delivery *dv,
                    const struct query *ask, const struct id *event_id);

#endif
