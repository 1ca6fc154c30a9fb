// SPDX-License-Identifier: MIT
// chain_host.h — one part of a data directory, kept by the replicator: a thread that
// follows the part's chain, or appends for the role that writes the part here.
//
// Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_CHAIN_CHAIN_HOST_H
#define QUEUE_CHAIN_CHAIN_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/records/queue_config.h"

struct chain_host;
struct journal;

enum chain_host_state {
    CHAIN_HOST_FOLLOWS,
    CHAIN_HOST_TAKES, // on the way to owning it
    CHAIN_HOST_OWNS,
    CHAIN_HOST_LOST, // it owned it, or could not take it; chain_host_follow() goes on
    CHAIN_HOST_ENDED // the copy cannot follow; `err` says why
};

struct chain_host_status {
    enum chain_host_state state;
    enum err err;       // of CHAIN_HOST_LOST and CHAIN_HOST_ENDED
    bool is_at_end;     // nothing more was there the last time it read
    bool is_reachable;  // the journal answered the last time
    uint64_t seq, term; // of the copy, or, while it owns, of the chain
    uint64_t n_strays;
    uint64_t n_appends, n_appended_bytes; // since it owns it
    int64_t
        append_us; // how long the append that is under way has taken; 0: none is
};

// Starts the thread, which follows. The part's environment must be there, with a mark.
// `on_change` runs on that thread whenever the state has changed. ERR_NOTFOUND: it has no
// mark. ERR_IO: no socket or thread.
MUST_CHECK enum err chain_host_start(struct journal *j,
                                     const struct queue_config *config,
                                     unsigned part,
                                     void (*on_change)(void *data), void *data,
                                     struct chain_host **out);

// The host takes the chain for this term, and then lets a role write. All three return at
// once, from the thread that started it.
void chain_host_take(struct chain_host *h, uint64_t term);
// It follows again: what it appends for a role is no longer tried. The role ends when it
// wants to write the next time.
void chain_host_follow(struct chain_host *h);
struct chain_host_status chain_host_status(struct chain_host *h);

// Writes a snapshot of the part, and removes what it replaces; waits. From any thread but
// the host's. Results: chain_snapshot_write().
MUST_CHECK enum err chain_host_snapshot(struct chain_host *h,
                                        uint64_t *n_bytes);

#endif
