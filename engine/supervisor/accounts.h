// SPDX-License-Identifier: MIT
// accounts.h — which users the roles become, if root starts the engine.

#ifndef ENGINE_SUPERVISOR_ACCOUNTS_H
#define ENGINE_SUPERVISOR_ACCOUNTS_H

#include "common/config/config.h"
#include "common/files/account.h"

// Closed to other rooms.
struct accounts {
    bool has_roles, has_senders; // false: they keep the supervisor's user
    struct account roles;        // all but senders
    struct account senders;
};

// Chooses both accounts, and gives what root owns in the data directory (`dir_fd`) to
// the roles' account. Without root, files are only checked. On any error `faults` gets
// a line for each fault, with the command that mends it.
MUST_CHECK enum err accounts_prepare(const struct config *config, int dir_fd,
                                     struct accounts *out, struct buf *faults);

#endif
