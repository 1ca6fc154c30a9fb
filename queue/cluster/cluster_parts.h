// SPDX-License-Identifier: MIT
// cluster_parts.h — the parts of a data directory into a cluster's journal, and back.
// Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_CLUSTER_CLUSTER_PARTS_H
#define QUEUE_CLUSTER_CLUSTER_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/cluster/cluster_identity.h"
#include "queue/records/queue_config.h"

struct journal;

// What is done with a part, told when it begins, and at the end with its bytes.
typedef void (*cluster_progress)(void *data, const char *part, uint64_t n_bytes,
                                 bool is_done);

struct cluster_job {
    struct journal *journal;
    const struct queue_config *config; // with keys
    bool (*may_go_on)(void *data);     // asked where something is tried again
    cluster_progress on_progress;
    void *data;
};

// Makes a cluster of the data directory, which queue_prepare() has prepared: a snapshot of
// each part, then the identity, with which the cluster is there. Nothing else may write to
// the directory. ERR_EXISTS: the journal holds a cluster. On any error `why` holds a
// sentence; the parts may have marks then, which cluster_detach() removes.
MUST_CHECK enum err cluster_import(const struct cluster_job *job,
                                   struct buf *why);

// A note in the data directory, while a new cluster is made of it: after a kill in the middle
// the directory is still nobody's, and the import may be made again. ERR_IO, ERR_FULL.
MUST_CHECK enum err cluster_begin_making(const struct queue_config *config);
bool cluster_is_making(const struct queue_config *config);
void cluster_end_making(const struct queue_config *config); // logs a failure

// Makes the data directory a copy of the cluster's: what is missing is made from the last
// snapshots. ERR_CONFLICT: the directory, or a part of it, is not of this cluster.
// ERR_AGAIN: the journal cannot be reached. On any error `why` holds a sentence.
MUST_CHECK enum err cluster_join(const struct cluster_job *job,
                                 const struct cluster_identity *identity,
                                 struct buf *why);

// Whether a part of the directory is a copy of a cluster's. ERR_NOTFOUND: there is no queue.
MUST_CHECK enum err cluster_is_copy(const struct queue_config *config,
                                    bool *is_copy);

// Removes a part whose copy cannot follow its chain any more: the next cluster_join() makes
// it anew, from the last snapshot, which the caller has seen. No process may have it open, but this one, which ends.
MUST_CHECK enum err cluster_drop_part(const struct queue_config *config,
                                      unsigned part);

// Makes a copy a data directory of its own: an engine without a cluster may start with it,
// and the cluster does not take it back. Nothing else may write to the directory.
MUST_CHECK enum err cluster_detach(const struct queue_config *config,
                                   struct buf *why);

#endif
