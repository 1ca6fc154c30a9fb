// SPDX-License-Identifier: MIT
// transfer.h — `posthorn cluster import` and `detach`: a data directory into a cluster,
// and out of it.

#ifndef API_CLI_CLUSTER_TRANSFER_H
#define API_CLI_CLUSTER_TRANSFER_H

#include "api/cli/cluster/connect.h"

// Both work on the data directory, which no engine may run with, and return the exit
// status.

// Makes the cluster of what the directory holds.
int cluster_take_in(struct cluster_call *c);
// Makes a copy of the cluster's a data directory of its own.
int cluster_let_go(struct cluster_call *c);

#endif
