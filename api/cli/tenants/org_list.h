// SPDX-License-Identifier: MIT
// org_list.h — `posthorn org list`: the organizations of the engine.

#ifndef API_CLI_TENANTS_ORG_LIST_H
#define API_CLI_TENANTS_ORG_LIST_H

#include "api/cli/core/options.h"

// Prints them, and returns the exit status.
int cli_org_list(const struct args *args);

#endif
