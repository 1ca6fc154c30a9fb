// SPDX-License-Identifier: MIT
// org_retention.h — `posthorn org retention`: how long what an organization has is kept.

#ifndef API_CLI_TENANTS_ORG_RETENTION_H
#define API_CLI_TENANTS_ORG_RETENTION_H

#include "api/cli/core/options.h"

// Shows, sets or clears it. Returns the exit status.
int cli_org_retention(const struct args *args, const char *org);

#endif
