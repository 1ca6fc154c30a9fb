// SPDX-License-Identifier: MIT
// org_export.h — `posthorn org export`: everything of an organization, as lines of JSON.

#ifndef API_CLI_TENANTS_ORG_EXPORT_H
#define API_CLI_TENANTS_ORG_EXPORT_H

#include "api/cli/core/options.h"

// Writes them to standard output, or to the file of --output, and returns the exit status.
int cli_org_export(const struct args *args, const char *org);

#endif
