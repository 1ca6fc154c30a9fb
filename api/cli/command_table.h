// SPDX-License-Identifier: MIT
// command_table.h — the commands of `posthorn`.

#ifndef API_CLI_COMMAND_TABLE_H
#define API_CLI_COMMAND_TABLE_H

#include "api/cli/core/options.h"

extern const struct command_table command_table;

#endif
