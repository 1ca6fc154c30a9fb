// SPDX-License-Identifier: MIT
// change.h — `posthorn cluster drain`, `join` and `leave`.

#ifndef API_CLI_CLUSTER_CHANGE_H
#define API_CLI_CLUSTER_CHANGE_H

#include "api/cli/cluster/connect.h"

// Each works on the node that is the command's second operand, and returns the exit status.

// The node does not lead any more. Waits until another one does.
int cluster_drain(struct cluster_call *c);
// The node may lead again.
int cluster_let_join(struct cluster_call *c);
// The same as draining it; then the cluster does not know it any more.
int cluster_leave(struct cluster_call *c);

#endif
