// SPDX-License-Identifier: MIT
// hook_table.h — `posthorn hook list --all`: the hooks of an organization over all its
// places.

#ifndef API_CLI_COMMANDS_HOOK_TABLE_H
#define API_CLI_COMMANDS_HOOK_TABLE_H

#include "api/cli/core/options.h"
#include "api/cli/core/scope_options.h"

// Whether the options of the table fit the others; if not, stderr has the reason.
bool hook_table_check(const struct args *args,
                      const struct scope_options *scope, bool is_list);

// Prints the table, page by page. Returns the exit status.
int hook_table(const struct args *args, const struct scope_options *scope);

#endif
