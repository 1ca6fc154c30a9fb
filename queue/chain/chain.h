// SPDX-License-Identifier: MIT
// chain.h — a chain, read in its order, and appended to by its owner.
//
// Whoever has a chain follows it: chain_next(). To become its owner, one follows it to its
// end and appends the beginning of a term; then, and until another one does the same,
// chain_append() appends.
//
// One thread at a time uses a chain. All functions wait.

#ifndef QUEUE_CHAIN_CHAIN_H
#define QUEUE_CHAIN_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "queue/chain/chain_entry.h"
#include "queue/journal/journal.h"

// Closed to other rooms.
struct chain {
    struct journal *journal; // borrowed
    unsigned number;
    struct journal_reader *reader; // NULL: to be opened at `seen`
    struct chain_point end;        // as read
    uint64_t seen;                 // number of the last entry read, strays too
    uint64_t term;                 // of which this is the owner; 0: of none
    uint64_t n_strays;
    struct chain_codec codec;
    struct buf scratch;
};

// Nothing is read before the first call of chain_next(). `keys` seal and open the changes;
// borrowed; NULL: they are not sealed. `at`: where to go on; the entry at
// its number was read before.
void chain_init(struct chain *c, struct journal *j, struct keyring *keys,
                unsigned number, struct chain_point at);
void chain_clear(struct chain *c);

// The next entry that continues the chain; its bytes are borrowed until the next call. Only
// while one does not own the chain. ERR_NOTFOUND: none within `wait_ms`. ERR_AGAIN. ERR_GONE:
// entries behind the last one are removed; only a snapshot helps.
MUST_CHECK enum err chain_next(struct chain *c, int64_t wait_ms,
                               struct chain_entry *out);

static inline struct chain_point chain_end(const struct chain *c)
{
    return c->end;
}

// How many entries were read that are not part of the chain.
static inline uint64_t chain_strays(const struct chain *c)
{
    return c->n_strays;
}

// Begins the term. OK: that is the last entry, and chain_append() may be called.
// ERR_CONFLICT: there are entries that were not read yet: read them, and try again.
// ERR_DENIED: a term as late as this one has begun. ERR_AGAIN: not known: read on, and try
// with a later term. ERR_FULL.
MUST_CHECK enum err chain_take(struct chain *c, uint64_t term, int64_t wait_ms);

static inline bool chain_is_own(const struct chain *c)
{
    return c->term != 0;
}

// Gives up what it owns, and reads on behind `at`, as after chain_init().
void chain_rewind(struct chain *c, struct chain_point at);

// Appends the row changes of a transaction, in as many entries as they need. Goes on until
// it is known what came of it, or `may_go_on` says false. OK: they are in the chain, which
// ends with them. ERR_DENIED: another term has begun, and nothing of them counts.
// ERR_AGAIN: `may_go_on` said false: not known; the owner has to leave, and to follow the
// chain again. ERR_FULL, ERR_TOOBIG: they are not in the chain.
typedef bool (*chain_go_on_fn)(void *data);
MUST_CHECK enum err chain_append(struct chain *c, struct str changes,
                                 chain_go_on_fn may_go_on, void *data);

#endif
