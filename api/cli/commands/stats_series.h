// SPDX-License-Identifier: MIT
// stats_series.h — `posthorn stats --series`: a window, slot by slot.

#ifndef API_CLI_COMMANDS_STATS_SERIES_H
#define API_CLI_COMMANDS_STATS_SERIES_H

#include "api/cli/core/options.h"
#include "common/base/buf.h"

// Asks for the series of the statistics whose path is `path`, and prints it. Returns the
// exit status.
int stats_series(const struct args *args, struct buf *path);

#endif
