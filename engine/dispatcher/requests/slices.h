// SPDX-License-Identifier: MIT
// slices.h — queries whose answer takes more than a moment: each is worked on a
// little at a time, so that deliveries go on meanwhile.
//
// Queries are answered one after the other, those of different organizations in
// turns. A query that nobody waits for any more is dropped.

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

struct sliced; // the first member of the state of each such query

struct sliced_kind {
    // Works until `until_us` (monotonic), at least one step. True: it is answered.
    bool (*run)(struct sliced *s, int64_t until_us);
    void (*free)(struct sliced *s);
};

// Closed to other rooms.
struct sliced {
    struct turn_entry turn; // its holder is the organization
    const struct sliced_kind *kind;
    struct dispatcher *d;
    uint64_t n_apis; // the link that asked
    uint64_t no;     // of the query
    uint64_t hash;   // of the query, for the notes of blame.h
    size_t n_bytes;  // memory that it holds
};

// A hash of the query: the same query has the same hash whenever it is asked.
uint64_t query_hash(const struct query *query);
void slices_init(struct dispatcher *d);

// Takes over `s`, which is answered later, or dropped; its owner has set `kind` and
// `n_bytes`. ERR_BUSY: too many queries wait, or hold too much memory together; then
// `s` was not taken.
MUST_CHECK enum err slices_add(struct dispatcher *d, struct sliced *s,
                               const struct query *query, uint64_t org_id);

// Nobody waits for this query any more, or, if `no` is 0, for any query.
void slices_drop(struct dispatcher *d, uint64_t no);

#endif
