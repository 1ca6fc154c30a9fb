// SPDX-License-Identifier: MIT
// export.h — files of webhooks, one JSON object a line.

#ifndef API_CLI_DIRECTORY_EXPORT_H
#define API_CLI_DIRECTORY_EXPORT_H

#include "api/cli/core/options.h"

// `posthorn verify` of such a file; returns the exit status.
int export_verify(const struct args *args, const char *path);

#endif
