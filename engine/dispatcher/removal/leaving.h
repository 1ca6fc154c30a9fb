// SPDX-License-Identifier: MIT
// leaving.h — whether anything of an organization that is erased may still come into the
// dispatcher's shard.

#ifndef ENGINE_DISPATCHER_REMOVAL_LEAVING_H
#define ENGINE_DISPATCHER_REMOVAL_LEAVING_H

#include "engine/dispatcher/loop/dispatcher.h"

// The erasure that the dispatcher works on. All zeros: none.
// Closed to other rooms.
struct leaving {
    struct erasure erasure; // whose turn it is
    bool is_known;
    bool are_hooks_read; // since the organization's hooks were deleted
    // Owned; the hooks that were deleted then, of whichever organization, ascending. Those
    // that are deleted later are not of this one, and nobody waits for them.
    uint64_t *deleted;
    size_t n_deleted, deleted_room;
    bool is_settled; // nothing of it is in memory that is not in a commit
    uint64_t commit; // with this one, nothing of it can come any more
    bool is_over;    // that commit has ended
    uint64_t *hooks; // owned; the shard's hooks, ascending
    size_t n_hooks, hooks_room;
    uint64_t hooks_seen; // the revision of the store when they were noted
    struct shard_erasure what;
};

// To be called every second: finds the erasure whose turn it is, and sees how far the
// dispatcher is.
void leaving_on_second(struct dispatcher *d, struct leaving *l);

// What the shard is to remove now; NULL: nothing. Valid until the next call, which must not
// come while the shard removes.
const struct shard_erasure *leaving_what(struct dispatcher *d,
                                         struct leaving *l);

#endif
