// SPDX-License-Identifier: MIT
// chain_entry.h — the entries of a chain, byte by byte, and which of them count.
//
// A chain holds all write transactions of one environment, in their order, and who may
// append: each owner begins a term, which grows. An entry names its term and the entry
// before it. A journal accepts an entry only behind the one that it names, but may, while
// its own leader changes, accept two behind the same one. So whoever reads a chain takes
// only what continues it: all readers see the same order, and so take the same entries.
//
// An entry is a record of codec.h. Row changes are sealed with the keys of the nodes, together
// with the entry's place: the servers of the journal see how much there is, and not what;
// and whoever may write to the journal, without the keys, can neither make an entry nor put
// one elsewhere. What cannot be opened is not part of the chain.

#ifndef QUEUE_CHAIN_CHAIN_ENTRY_H
#define QUEUE_CHAIN_CHAIN_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

// The environments' chains have the numbers of their parts (part.h); a snapshot of an
// environment is a chain of its own.
#define CHAIN_SNAPSHOTS 128
static inline unsigned chain_of_snapshot(unsigned chain)
{
    return chain + CHAIN_SNAPSHOTS;
}

// The most bytes of one entry; what is longer is split.
#define CHAIN_BODY_BYTES ((size_t)500 * 1024)

struct keyring;

enum chain_kind {
    CHAIN_TAKE = 1, // an owner begins its term
    CHAIN_CHANGES,  // row changes of a transaction, or some of them
    CHAIN_ROWS, // of a snapshot: row changes that put its rows, or some of them
    CHAIN_KINDS // not a kind
};

// A point of a chain.
struct chain_point {
    uint64_t seq; // of the last entry; 0: before the first one
    uint64_t term;
};

struct chain_entry {
    enum chain_kind kind;
    uint64_t term;
    uint64_t before; // number of the entry before; in a snapshot, how many
                     // entries it has before this one
    bool is_first, is_last; // of the entries of a transaction
    struct str changes;     // borrowed
};

// What entries are encoded with.
struct chain_codec {
    unsigned chain;
    struct keyring *keys;       // borrowed; NULL: row changes are not sealed
    struct buf sealed, context; // scratch
};

void chain_codec_init(struct chain_codec *c, unsigned chain,
                      struct keyring *keys);
void chain_codec_clear(struct chain_codec *c);

void chain_entry_encode(struct chain_codec *c, const struct chain_entry *e,
                        struct buf *out);
// ERR_CORRUPT: not an entry of this chain. The changes are borrowed from `bytes`, or from the
// codec until its next use.
MUST_CHECK enum err chain_entry_decode(struct chain_codec *c, struct str bytes,
                                       struct chain_entry *out);

enum chain_order {
    CHAIN_CONTINUES, // `end` is moved to it
    CHAIN_REPEATED,  // it was read before
    CHAIN_STRAY,     // it is not part of the chain: it names an earlier entry
    CHAIN_MISSED     // it names a later entry: those up to it were removed
};

// Whether the entry with this number is the one behind `end`.
enum chain_order chain_follow(struct chain_point *end,
                              const struct chain_entry *e, uint64_t seq);

#endif
