// SPDX-License-Identifier: MIT
// role_kind.h — the kinds of processes, and their names.

#ifndef COMMON_PROCESS_ROLE_KIND_H
#define COMMON_PROCESS_ROLE_KIND_H

#include <stdbool.h>

enum role_kind {
    ROLE_SETUP, // prepares the data directory, then exits
    ROLE_INGEST,
    ROLE_DISPATCHER,
    ROLE_SENDER,
    ROLE_API,
    ROLE_EXPORTER, // sends traces to a collector; only if otlp_traces is set
    // Only in a cluster:
    ROLE_RELAY,      // passes a listener's connections to the node that leads
    ROLE_REPLICATOR, // appends to the replicated log, and follows it
    ROLES
};

#define ROLE_LABEL_BYTES 32

// There may be several processes of this kind; the index is then part of the name.
bool role_is_many(enum role_kind kind);

// Whether the role exchanges bytes with strangers' servers, or passes them on: it has the
// senders' account, and of shared memory its own page of metrics alone.
bool role_is_outward(enum role_kind kind);

const char *role_name(enum role_kind kind); // "ingest"

// The name in logs and metrics: "ingest", "sender.0".
void role_label(enum role_kind kind, unsigned index,
                char out[ROLE_LABEL_BYTES]);

#endif
