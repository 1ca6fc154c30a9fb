// SPDX-License-Identifier: MIT
// show.h — `posthorn cluster status`.

#ifndef API_CLI_CLUSTER_SHOW_H
#define API_CLI_CLUSTER_SHOW_H

#include "api/cli/cluster/connect.h"

// Prints the nodes, and how far the parts of each are. Returns the exit status: 0 if all
// nodes are there and one leads.
int cluster_show(struct cluster_call *c);

#endif
