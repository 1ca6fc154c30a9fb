// SPDX-License-Identifier: MIT
// hook_counts.h — how many hooks, and hooks with a pattern, each organization has: their
// shares of max_hooks and max_patterns.

#ifndef API_HOOKS_HOOK_COUNTS_H
#define API_HOOKS_HOOK_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/model/hook.h"

struct api;
struct api_request;

// What one change of a hook takes of the shares, and gives back. All zeros at first.
struct hook_counts {
    uint64_t org_id; // 0: the organization has no number yet
    uint64_t name_hash;
    bool adds_hook, adds_pattern, drops_pattern;
    bool is_taken;
};

// Counts a hook that is stored already: at the start of the process.
void hook_counts_note(struct api *api, const struct hook *hook);

// Notes what the change from `old` (NULL: the hook is new) to `new` takes. `org_id`: of its
// organization, or 0. False: there are too many; the request has been answered.
bool hook_counts_begin(struct api_request *rq, struct hook_counts *counts,
                       uint64_t org_id, const struct hook *old,
                       const struct hook *new);

// Takes it, before the change is stored: others are checked meanwhile.
void hook_counts_take(struct api *api, struct hook_counts *counts);

// The change has ended: with the hook as it was stored, or NULL.
void hook_counts_end(struct api *api, struct hook_counts *counts,
                     const struct hook *stored);

// A hook was deleted; `old` is NULL if its record could not be read.
void hook_counts_forget(struct api *api, uint64_t org_id,
                        const struct hook *old);

#endif
