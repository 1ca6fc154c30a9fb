// SPDX-License-Identifier: MIT
// cluster_journal.h — the journal of the cluster that the settings name. Part of queue.h,
// which is what to include outside of queue/.

#ifndef QUEUE_CLUSTER_CLUSTER_JOURNAL_H
#define QUEUE_CLUSTER_CLUSTER_JOURNAL_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/config/config.h"

struct journal;

// Opens it. Results, and `why`: journal_open(). `config` must name a cluster.
MUST_CHECK enum err cluster_journal_open(const struct config *config,
                                         struct buf *why, struct journal **out);

#endif
