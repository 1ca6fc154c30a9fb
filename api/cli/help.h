// SPDX-License-Identifier: MIT
// help.h — what `posthorn help` and `posthorn version` print.

#ifndef API_CLI_HELP_H
#define API_CLI_HELP_H

#include <stdio.h>

#include "api/cli/core/options.h"

// The command of this name. NULL: there is none.
const struct command *help_find(const struct command_table *table,
                                const char *name);

// Prints to stderr that there is no such command; returns EXIT_USAGE.
int help_unknown(const char *name);

// Prints all commands by their groups.
void help_put_list(const struct command_table *table, FILE *out);

#endif
