// SPDX-License-Identifier: MIT
// chain_copy.h — an environment that is kept equal to what its chain says.
//
// The copy has the rows of all transactions up to its mark, and none of later ones. Where a
// transaction has several entries, its rows are done when the last one has come.

#ifndef QUEUE_CHAIN_CHAIN_COPY_H
#define QUEUE_CHAIN_CHAIN_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/chain/chain.h"
#include "queue/lmdb/environment.h"

// Closed to other rooms.
struct chain_copy {
    struct chain *chain; // borrowed
    struct store *store; // borrowed
    unsigned meta_db;
    struct chain_point mark; // as committed
    struct buf parts;        // of a transaction that has not ended yet
    bool is_sound;           // the last error was of the chain, not of the copy
};

// Reads the mark, and sets the chain to it. ERR_NOTFOUND: the environment has no mark.
MUST_CHECK enum err chain_copy_open(struct chain_copy *copy,
                                    struct chain *chain, struct store *store,
                                    unsigned meta_db);
void chain_copy_clear(struct chain_copy *copy);

// Waits up to `wait_ms` for an entry, and does what has come, in one commit: until nothing
// more is there, or it is a good deal. OK: something was done. ERR_NOTFOUND: nothing came.
// ERR_AGAIN, ERR_GONE: as chain_next(). ERR_CORRUPT, ERR_FULL, ERR_IO: of the environment,
// which has not changed; it may be tried again.
MUST_CHECK enum err chain_copy_step(struct chain_copy *copy, int64_t wait_ms);

// Whether the last error of chain_copy_step() was of the chain, and the copy is sound.
static inline bool chain_copy_is_sound(const struct chain_copy *copy)
{
    return copy->is_sound;
}

// The environment's mark, as committed.
static inline struct chain_point chain_copy_mark(const struct chain_copy *copy)
{
    return copy->mark;
}

// Gives up what was read and not done, and reads on from the environment's mark, which its
// owner may have moved meanwhile.
MUST_CHECK enum err chain_copy_rewind(struct chain_copy *copy);

#endif
