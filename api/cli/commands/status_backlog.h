// SPDX-License-Identifier: MIT
// status_backlog.h — what `posthorn status` prints about waiting deliveries and their
// organizations.

#ifndef API_CLI_COMMANDS_STATUS_BACKLOG_H
#define API_CLI_COMMANDS_STATUS_BACKLOG_H

#include <stdint.h>

#include "api/cli/core/options.h"
#include "common/base/buf.h"

// Asks the engine. The answer is empty if the token may not read this.
void backlog_fetch(const struct args *args, struct buf *response);
void backlog_print(const struct args *args, const struct buf *response,
                   int64_t now_ms);

// Prints the backlog of the organization that the options name. Returns the exit
// status.
int backlog_of_scope(const struct args *args, int64_t now_ms);

#endif
