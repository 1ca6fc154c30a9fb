// SPDX-License-Identifier: MIT
// slices.h — questions whose answer takes more than a moment: each is worked on a
// little at a time, so that deliveries go on meanwhile.
//
// One question is answered after the other, those of different organizations in
// turns. A question whose asker is gone is dropped.

#ifndef ENGINE_DISPATCHER_REQUESTS_SLICES_H
#define ENGINE_DISPATCHER_REQUESTS_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/err.h"
#include "common/fairness/turn_list.h"

struct query;
struct dispatcher;

struct sliced; // at the beginning of what a question is worked on with

struct sliced_kind {
    // Works until then (monotonic), one step at least. True: it is answered.
    bool (*run)(struct sliced *s, int64_t until_us);
    void (*free)(struct sliced *s);
};

struct sliced {
    struct turn_entry turn; // first: it is cast; its holder is the organization
    const struct sliced_kind *kind;
    struct dispatcher *d;
    uint64_t n_apis; // the link that asked
    uint64_t no;     // of the question
    uint64_t hash;   // of the question, for notes about what kills
    size_t n_bytes;  // that it holds
};

// The same question has the same number, whenever it is asked.
uint64_t question_hash(const struct query *ask);
void slices_init(struct dispatcher *d);

// Takes over `s`, which is answered later, or dropped; its owner has set `kind` and
// `n_bytes`. ERR_BUSY: too many, or too large together; then nothing was taken.
MUST_CHECK enum err slices_add(struct dispatcher *d, struct sliced *s,
                               const struct query *ask, uint64_t org_id);

// Nobody waits for this question any more, or, if `no` is 0, for any.
void slices_drop(struct dispatcher *d, uint64_t no);

#endif
