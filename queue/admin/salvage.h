// SPDX-License-Identifier: MIT
// salvage.h — what can be read of a damaged environment, into a sound one.

#ifndef QUEUE_ADMIN_SALVAGE_H
#define QUEUE_ADMIN_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/admin/copy_to.h"
#include "queue/lmdb/page_walk.h"

// One environment as it lies there.
struct salvage {
    struct part part; // by the name of its directory
    struct pages *pages;
    struct page_snapshot snapshot;
    bool is_there;
    struct migration *migration; // it is of format 4; NULL: of this one
    struct identity self;
    bool has_self;
    uint64_t place;           // of it, in the checksums of its records
    struct buf state_record;  // private
    struct shard_state state; // of a shard, if has_state
    bool has_state;
    bool is_older; // the newest state of the environment cannot be read
    uint64_t last_hook, last_revision; // of hooks, as far as is known
    uint64_t n_read[WALK_TABLES_MAX];
    uint64_t n_damaged[WALK_TABLES_MAX]; // set aside
    uint64_t n_lost[WALK_TABLES_MAX];    // counted, and not found
    uint64_t n_faults;
};

struct salvage_how {
    const char *data_dir;
    struct migration *migration; // of format 4, as in struct salvage
    struct copy_to *events; // complete: rows need their events; NULL: not yet
    struct aside *aside;
    // Where what waits for a hook belongs.
    struct copy_to *(*owner_of)(void *data, uint64_t hook_id);
    void (*on_fault)(void *data, const char *what);
    bool (*on_page)(void *data); // false: it shall end
    void *data;
};

// Opens it, and reads of a shard what it is and its state. What is not there, or
// nothing of which can be read, is not an error: is_there is false.
MUST_CHECK enum err salvage_open(struct salvage *s,
                                 const struct salvage_how *how);
void salvage_close(struct salvage *s);

// Puts every record that is sound into `to`, in the order of its keys as far as
// there is one; sets aside what is not. ERR_AGAIN: on_page ended it. Other errors
// are those of writing.
MUST_CHECK enum err salvage_run(struct salvage *s, struct copy_to *to,
                                const struct salvage_how *how);

// How many sound rows of a shard are of hooks of another one, if there are
// `n_shards`.
uint64_t salvage_strangers(struct salvage *s, unsigned n_shards);

// Whether a table is made anew of others, so that nothing of it can be lost.
bool salvage_is_made_anew(const struct part *part, unsigned db);

#endif
