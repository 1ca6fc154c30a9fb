// SPDX-License-Identifier: MIT
// salvage.h — copies what can be read of a damaged environment into a sound one.

#ifndef QUEUE_ADMIN_SALVAGE_H
#define QUEUE_ADMIN_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/admin/copy_to.h"
#include "queue/lmdb/page_walk.h"

// One damaged environment.
struct salvage {
    struct part part; // named as its directory
    struct pages *pages;
    struct page_snapshot snapshot;
    bool is_there;
    struct migration *migration; // set if it is of format 4
    struct identity self;
    bool has_self;
    uint64_t place;           // its place in the checksums of its records
    struct buf state_record;  // private
    struct shard_state state; // of a shard, if has_state
    bool has_state;
    bool is_older; // its newest state cannot be read, an older one can
    uint64_t last_hook, last_revision; // of hooks, as far as known
    uint64_t n_read[WALK_TABLES_MAX];
    uint64_t n_damaged[WALK_TABLES_MAX]; // written to damaged.jsonl
    uint64_t n_lost[WALK_TABLES_MAX];    // counted, but not found
    uint64_t n_faults;
};

struct salvage_how {
    const char *data_dir;
    struct migration *migration; // of format 4, as in struct salvage
    struct copy_to
        *events; // complete: rows need their events; NULL: not yet there
    struct aside *aside;
    // Returns the copy of the shard that owns a hook.
    struct copy_to *(*owner_of)(void *data, uint64_t hook_id);
    void (*on_fault)(void *data, const char *what);
    bool (*on_page)(void *data); // return false to stop
    void *data;
};

// Opens the environment and, for a shard, reads its identity and its state. If it
// does not exist, or nothing of it can be read, that is no error: is_there is
// false.
MUST_CHECK enum err salvage_open(struct salvage *s,
                                 const struct salvage_how *how);
void salvage_close(struct salvage *s);

// Puts every sound record into `to`, in the order of its keys as far as there is
// one; sets the others aside. ERR_AGAIN: on_page ended it. Other errors are errors
// of writing.
MUST_CHECK enum err salvage_run(struct salvage *s, struct copy_to *to,
                                const struct salvage_how *how);

// How many sound rows of a shard belong to hooks of other shards, if there are
// `n_shards` in all.
uint64_t salvage_strangers(struct salvage *s, unsigned n_shards);

// Whether a table is rebuilt from others, so that nothing of it can be lost.
bool salvage_is_made_anew(const struct part *part, unsigned db);

#endif
