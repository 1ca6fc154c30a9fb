// SPDX-License-Identifier: MIT
// journal_nats.h — the journal on the streams of a NATS JetStream cluster, as a module that
// journal_open() loads.

#ifndef QUEUE_JOURNAL_NATS_JOURNAL_NATS_H
#define QUEUE_JOURNAL_NATS_JOURNAL_NATS_H

#include "queue/journal/journal_open.h"

// The one symbol that the module shows.
extern const struct journal_module posthorn_journal_module
    __attribute__((visibility("default")));

#endif
