// SPDX-License-Identifier: MIT
// caps.h — what organizations share, how much of it there is, and what is said to
// who wants more.
//
// A cap is two settings: max_X, of all together, and max_X_per_organization; 0 of
// the latter is a part of the former. Of each, admin_reserve_percent is kept for
// the admin token, which no share holds.

#ifndef COMMON_CONFIG_CAPS_H
#define COMMON_CONFIG_CAPS_H

#include "common/base/buf.h"
#include "common/config/config.h"
#include "common/fairness/share.h"

enum cap_kind {
    CAP_HOOKS,
    CAP_STACKS, // and environments, that are known by name
    CAP_TAILS,
    CAP_MANUAL,    // attempts by hand: pings and redeliveries
    CAP_QUESTIONS, // that dispatchers are asked beside those
    CAP_REPLAYS,   // of each dispatcher
    CAP_REQUESTS,  // in work, of each of the two servers
    CAP_BUFFERED,  // bytes that a server holds for clients
    CAP_COUNT
};

struct share_limit cap_limit(const struct config *c, enum cap_kind kind);

// One line for each share that is larger than what the reserve leaves.
void caps_check(const struct config *c, struct buf *faults);

// Says which limit is reached and what to do; `share` is not SHARE_THERE.
void cap_put_why(const struct config *c, enum cap_kind kind, enum share share,
                 struct buf *out);

#endif
