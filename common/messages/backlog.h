// SPDX-License-Identifier: MIT
// backlog.h — how much waits for hooks and organizations, as dispatchers report it.
//
// Each dispatcher counts what waits in its shard. Once a second it sends ingest and
// api the sums that have changed; both keep them in a table and add up the shards.
// After a link is made anew, the dispatcher sends all sums again.

#ifndef COMMON_MESSAGES_BACKLOG_H
#define COMMON_MESSAGES_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/config/config.h"

// Bytes that a waiting delivery takes besides its payload: its row, and its event's
// record around the payload.
#define BACKLOG_ROW_BYTES 256

#define BACKLOG_FULLEST 2 // hooks that are listed

struct hook_backlog {
    uint64_t hook_id; // 0: none
    uint64_t n_rows;
    uint64_t n_bytes; // payloads
};

// Of an organization.
struct org_backlog {
    uint64_t org_id;
    uint64_t n_rows;
    uint64_t n_bytes; // payloads, each once per hook it waits for
    int64_t growth;   // bytes a second over the last minute, with rows
    struct hook_backlog fullest[BACKLOG_FULLEST]; // the fullest first
};

// Append a frame's content. A hook is reported only while it is paused, and once
// more when it no longer is (`is_paused` false).
void org_backlog_pack(struct buf *frame, const struct org_backlog *b);
void hook_backlog_pack(struct buf *frame, const struct hook_backlog *b,
                       bool is_paused);

// The bytes that a hook's backlog takes: rows and payloads.
uint64_t hook_backlog_bytes(const struct hook_backlog *b);
// Adds the hook to `b->fullest` if it is one of the fullest.
void org_backlog_rank(struct org_backlog *b, const struct hook_backlog *hook);

// --- the table of a process that gets these reports ---

struct backlog_table; // opaque

struct backlog_table *backlog_table_new(unsigned n_shards);
void backlog_table_free(struct backlog_table *t); // NULL is fine

// Takes a frame from the dispatcher of this shard. False: it is a frame of another
// kind.
bool backlog_take(struct backlog_table *t, unsigned shard, struct str frame);
// Forgets everything about this shard: its dispatcher will report all of it again.
void backlog_forget(struct backlog_table *t, unsigned shard);

// The sum over all shards; zeros if nothing waits.
void backlog_of_org(const struct backlog_table *t, uint64_t org_id,
                    struct org_backlog *out);
// The backlog of a paused hook. False: it is not known.
bool backlog_of_hook(const struct backlog_table *t, uint64_t hook_id,
                     struct hook_backlog *out);

typedef void (*org_backlog_visit)(void *data, const struct org_backlog *b);
void backlog_each_org(const struct backlog_table *t, org_backlog_visit visit,
                      void *data);

// --- an organization's share of the queue ---

// How full an organization's quota is.
struct backlog_share {
    uint64_t n_bytes;     // bytes that count
    uint64_t quota_bytes; // bytes that are allowed
    unsigned percent;
    bool is_full;
    int64_t full_in_s; // at the present growth; -1: it does not grow
};

// Counted are an organization's payloads, but at most what all events take together
// (`log_bytes`), since a payload that waits for several hooks is stored once; and
// BACKLOG_ROW_BYTES for each delivery.
void backlog_share(const struct org_backlog *b, const struct config *config,
                   uint64_t log_bytes, struct backlog_share *out);

#endif
