// SPDX-License-Identifier: MIT
// backlog.h — what waits for hooks and organizations, as the dispatchers tell it.
//
// Each dispatcher counts what waits in its shard. Once a second it tells ingest
// and api which sums have changed; both keep them in a table and add up the
// shards. A link that is made anew brings all of them again.

#ifndef COMMON_MESSAGES_BACKLOG_H
#define COMMON_MESSAGES_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/config/config.h"

// What a delivery that waits takes besides the payload: its row, and its event's
// record around the payload.
#define BACKLOG_ROW_BYTES 256

#define BACKLOG_FULLEST 2 // hooks that are named

struct hook_backlog {
    uint64_t hook_id; // 0: none
    uint64_t n_rows;
    uint64_t n_bytes; // payloads
};

// Of an organization.
struct org_backlog {
    uint64_t org_id;
    uint64_t n_rows;
    uint64_t n_bytes; // payloads, each as often as it waits for a hook
    int64_t growth;   // bytes a second over the last minute, rows with them
    struct hook_backlog fullest[BACKLOG_FULLEST]; // the fullest first
};

// Append a frame's content. Of a hook: only of one that is paused, or that was
// told and is not paused any more (`is_paused` false).
void org_backlog_pack(struct buf *frame, const struct org_backlog *b);
void hook_backlog_pack(struct buf *frame, const struct hook_backlog *b,
                       bool is_paused);

// What it is worth: rows and payloads.
uint64_t hook_backlog_bytes(const struct hook_backlog *b);
// Takes it in among the fullest, if it is.
void org_backlog_rank(struct org_backlog *b, const struct hook_backlog *hook);

// --- the table of whoever is told ---

struct backlog_table; // opaque

struct backlog_table *backlog_table_new(unsigned n_shards);
void backlog_table_free(struct backlog_table *t); // NULL is fine

// A frame from the dispatcher of this shard. False: it is of another kind.
bool backlog_take(struct backlog_table *t, unsigned shard, struct str frame);
// Nothing is known of this shard any more: it will tell all of it again.
void backlog_forget(struct backlog_table *t, unsigned shard);

// All shards together; zeros if nothing waits.
void backlog_of_org(const struct backlog_table *t, uint64_t org_id,
                    struct org_backlog *out);
// Of a hook that is paused. False: it is not known.
bool backlog_of_hook(const struct backlog_table *t, uint64_t hook_id,
                     struct hook_backlog *out);

typedef void (*org_backlog_visit)(void *data, const struct org_backlog *b);
void backlog_each_org(const struct backlog_table *t, org_backlog_visit visit,
                      void *data);

// --- its share of the queue ---

// How full an organization's quota is.
struct backlog_share {
    uint64_t n_bytes;     // what counts
    uint64_t quota_bytes; // what may
    unsigned percent;
    bool is_full;
    int64_t full_in_s; // as it grows; -1: it does not
};

// What counts is its payloads, but no more than all events take together
// (`log_bytes`), for one that waits for several hooks is stored once; and what
// each delivery takes besides.
void backlog_share(const struct org_backlog *b, const struct config *config,
                   uint64_t log_bytes, struct backlog_share *out);

#endif
