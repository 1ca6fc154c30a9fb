// SPDX-License-Identifier: MIT
// status_backlog.h — what `posthorn status` says of what waits, and whose it is.

#ifndef API_CLI_COMMANDS_STATUS_BACKLOG_H
#define API_CLI_COMMANDS_STATUS_BACKLOG_H

#include <stdint.h>

#include "api/cli/core/options.h"
#include "common/base/buf.h"

// Asks the engine; the answer is empty for who may not ask.
void backlog_fetch(const struct args *args, struct buf *answer);
void backlog_print(const struct args *args, const struct buf *answer,
                   int64_t now_ms);

// Of the organization that the options name. Returns the exit status.
int backlog_of_place(const struct args *args, int64_t now_ms);

#endif
