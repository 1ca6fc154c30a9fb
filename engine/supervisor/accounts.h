// SPDX-License-Identifier: MIT
// accounts.h — which users the roles become, where root starts the engine.

#ifndef ENGINE_SUPERVISOR_ACCOUNTS_H
#define ENGINE_SUPERVISOR_ACCOUNTS_H

#include "common/config/config.h"
#include "common/files/account.h"

struct accounts {
    bool has_roles, has_senders; // else they stay who the supervisor is
    struct account roles;        // all but senders
    struct account senders;
};

// Chooses both, and gives the roles' one what root owns in the data directory, which
// `dir_fd` is. Not root: nothing changes but for what is judged. On any error
// `faults` gets a line for each fault, with the command that mends it.
MUST_CHECK enum err accounts_prepare(const struct config *config, int dir_fd,
                                     struct accounts *out, struct buf *faults);

#endif
