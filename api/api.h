// SPDX-License-Identifier: MIT
// api.h — the process that serves hooks, history, health and metrics.

#ifndef API_API_H
#define API_API_H

// Runs the role (common/process/role.h) and returns its exit status.
int api_role(unsigned index);

#endif
