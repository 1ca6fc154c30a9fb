// SPDX-License-Identifier: MIT
// erasures.h — organizations that are being erased, and how far that is. Part of queue.h,
// which is what to include outside of queue/.
//
// An erasure is a record in the environment of the hooks, which the api process writes.
// Each process that owns an environment reads it there, removes what its environment holds
// of the organization, a slice in each transaction, and notes in the same transactions how
// far it is (erasure_mark.h). The api process reads these marks and moves the record to
// its next step. So nothing but what is committed says where an erasure stands, and after
// a kill everyone continues from there.

#ifndef QUEUE_ERASURE_ERASURES_H
#define QUEUE_ERASURE_ERASURES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/base/text.h"
#include "common/encoding/id.h"
#include "queue/catalog/hook_store.h"

// The steps, in their order. Values are on disk.
enum erasure_step {
    ERASE_HOOKS = 1,      // api: hooks and tokens
    ERASE_DELIVERIES = 2, // dispatchers: history, statistics, replays
    ERASE_EVENTS = 3,     // ingest: events, keys, names that events have
    ERASE_NAMES = 4,      // api: names that hooks have, the organization's own
    ERASE_DONE = 5
};

struct erasure_counts { // what was removed
    uint64_t hooks, tokens, attempts, events;
};

// A plain value.
struct erasure {
    uint64_t
        no; // from 1; in the order in which they began, which is that of the work
    struct id id;
    enum erasure_step step;
    char org[NAME_MAX_BYTES]; // its name; empty once it is done
    size_t n_org_bytes;
    uint64_t org_nos[2]; // its number in each dialect; 0: it has none
    int64_t started_at_ms, ended_at_ms; // UTC epoch; 0: not ended
    struct erasure_counts counts;
};

static inline struct str erasure_org(const struct erasure *e)
{
    return (struct str){ e->org, e->n_org_bytes };
}

// Whether the number is one of the organization's.
static inline bool erasure_is_org_no(const struct erasure *e, uint64_t org_no)
{
    return org_no != 0 && (e->org_nos[0] == org_no || e->org_nos[1] == org_no);
}

// --- reading, in any process ---

// The erasure to be worked on: the first that is not done. ERR_NOTFOUND: there is none.
MUST_CHECK enum err erasure_first(struct hook_store *hs, struct erasure *out);
// ERR_NOTFOUND.
MUST_CHECK enum err erasure_find(struct hook_store *hs, const struct id *id,
                                 struct erasure *out);
// Visits all that are stored, the first one first. Return false to end the scan.
typedef bool (*erasure_visit)(void *data, const struct erasure *e);
MUST_CHECK enum err erasure_each(struct hook_store *hs, erasure_visit visit,
                                 void *data);
// Whether an erasure of the organization has begun and is not done, as committed last:
// nothing of it may be stored then. On an error nobody knows.
MUST_CHECK enum err erasure_is_of(struct hook_store *hs, struct str org,
                                  bool *out);

// --- writing, in the process that writes hooks (hook_store.h says how writes end) ---

// Begins the erasure of an organization with this id; from its commit on, the store takes
// no hook, token or stack of the organization (ERR_BUSY). ERR_EXISTS: it is being erased.
// ERR_INVALID: its name is malformed.
void erasure_begin(struct hook_store *hs, struct str org, const struct id *id,
                   const struct catalog_caller *caller);

// Works on what the store itself holds, in the steps ERASE_HOOKS and ERASE_NAMES: removes
// some, or, when nothing is left, ends the step. ERR_NOTFOUND: there is no such erasure.
void erasure_work(struct hook_store *hs, uint64_t no,
                  const struct catalog_caller *caller);

// Ends the step ERASE_DELIVERIES or ERASE_EVENTS, with what was removed in it. Does
// nothing if the erasure is in another step. ERR_NOTFOUND: there is no such erasure.
void erasure_pass(struct hook_store *hs, uint64_t no, enum erasure_step step,
                  uint64_t n_removed, const struct catalog_caller *caller);

#endif
