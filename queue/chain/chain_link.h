// SPDX-License-Identifier: MIT
// chain_link.h — how a process that writes an environment appends to its chain.
//
// Only the replicator of a node speaks to the journal. A role that writes an environment is
// connected to the replicator by a socket, and waits for its answer in each commit.
//
// A message is its length(4), then: from the role, type(1) and bytes; from the replicator,
// error(4), number of the last entry(8), term(8). Numbers are big-endian.

#ifndef QUEUE_CHAIN_CHAIN_LINK_H
#define QUEUE_CHAIN_CHAIN_LINK_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "queue/chain/chain_entry.h"
#include "queue/lmdb/environment.h"
#include "queue/records/queue_config.h"

// For a role that has opened part `i` for writing, before it writes: from now on each
// transaction that changes rows is in the chain before it is committed. Does nothing if the
// data directory is not replicated, or it was called before for this environment. The
// commit then also returns ERR_FULL: the journal has no room. Ends the process (log_fatal)
// if the replicator is not there, or has ended, or another node owns the chain by now.
MUST_CHECK enum err chain_link_attach(const struct queue_config *config,
                                      unsigned i, struct store *s);

// --- the replicator's end ---

enum chain_link_type {
    CHAIN_LINK_HELLO = 1, // the role wants to write
    CHAIN_LINK_APPEND     // row changes of a transaction
};

struct chain_link_answer {
    enum err err;
    struct chain_point end; // of the chain
};

// Listens for the role that writes part `i`. ERR_IO (errno).
MUST_CHECK enum err chain_link_listen(const char *data_dir, unsigned i,
                                      int *out_fd);
// Reads a request: `body` is borrowed from `room`. ERR_NOTFOUND: the role has ended.
// ERR_CORRUPT: this is no request.
MUST_CHECK enum err chain_link_receive(int fd, struct buf *room,
                                       enum chain_link_type *type,
                                       struct str *body);
// ERR_NOTFOUND: the role has ended.
MUST_CHECK enum err chain_link_answer(int fd,
                                      const struct chain_link_answer *answer);

#endif
