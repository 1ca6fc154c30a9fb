// SPDX-License-Identifier: MIT
// export_lines.h — the lines of an export, and how far it is.

#ifndef API_TENANTS_EXPORT_LINES_H
#define API_TENANTS_EXPORT_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "api/tenants/tenant.h"

// What an export walks through, in this order.
enum export_step {
    EXPORT_HOOKS,
    EXPORT_TOKENS,
    EXPORT_STACKS,
    EXPORT_ENVIRONMENTS,
    EXPORT_KINDS,
    EXPORT_EVENTS,
    EXPORT_ATTEMPTS,
    EXPORT_DONE
};

struct export
{
    struct api_request *rq;
    struct tenant tenant;
    enum export_step step;
    struct buf *out;             // the current piece
    struct buf after;            // hooks and places: where to go on
    struct buf headers;          // of the request of the current attempt
    size_t i_dialect;            // of the hooks, then of the attempts
    struct position passed, end; // of the log: done, and to do
    uint64_t n_in_read;
    unsigned shard; // whose attempts are read, from row `from_no` on
    uint64_t from_no;
    uint64_t end_nos[QUEUE_SHARDS_MAX]; // rows from there on are newer
    int64_t until_us;                   // of this turn
    int64_t said_us;                    // when a line was written last
    uint64_t counts[EXPORT_DONE];       // lines of each step
    uint64_t n_damaged;                 // events that cannot be read
    bool is_step_done;
    bool is_shard_done; // the next row is a newer one
};

// --- the lines, which go to `out` ---

void export_put_begin(struct export *x);
void export_put_hook(struct export *x, const struct hook *hook);
void export_put_token(struct export *x, const struct token *token);
void export_put_place(struct export *x, const struct stack_name *name);
void export_put_kind(struct export *x, const struct org_value *entry);
void export_put_event(struct export *x, const struct event *event);
void export_put_attempt(struct export *x, const struct attempt *attempt);
// So far: the client, and whatever is between, see that the export goes on.
void export_put_progress(struct export *x);
// The last line: without it an export is incomplete.
void export_put_end(struct export *x);

#endif
