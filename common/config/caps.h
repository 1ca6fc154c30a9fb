// SPDX-License-Identifier: MIT
// caps.h — what organizations share, how much of it there is, and the message for a
// client that exceeds its share.
//
// A cap is two settings: max_X for all organizations together, and
// max_X_per_organization; 0 for the latter means a fixed part of the former.
// admin_reserve_percent of each max_X is reserved for the admin token; no
// organization's share includes it.

#ifndef COMMON_CONFIG_CAPS_H
#define COMMON_CONFIG_CAPS_H

#include "common/base/buf.h"
#include "common/config/config.h"
#include "common/fairness/share.h"

enum cap_kind {
    CAP_HOOKS,
    CAP_PATTERNS, // webhooks with a pattern
    CAP_STACKS,   // known names of stacks and environments
    CAP_TAILS,
    CAP_ON_DEMAND, // attempts on demand: pings, redeliveries
    CAP_QUERIES,   // other queries to dispatchers
    CAP_REPLAYS,   // running in each dispatcher
    CAP_REQUESTS,  // in work, in each of the two servers
    CAP_BUFFERED,  // bytes that a server holds for clients
    CAP_COUNT
};

struct share_limit cap_limit(const struct config *c, enum cap_kind kind);

// Adds a line to `faults` for each share that is larger than what the reserve
// leaves.
void caps_check(const struct config *c, struct buf *faults);

// Appends which limit is reached and what to do; `share` is not SHARE_THERE.
void cap_put_why(const struct config *c, enum cap_kind kind, enum share share,
                 struct buf *out);

#endif
