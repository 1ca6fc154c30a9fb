// SPDX-License-Identifier: MIT
// journal_lmdb.h — a journal in a directory that the processes of one machine share: an LMDB
// environment, and sockets for requests. For tests of a cluster without servers, and for
// several engines on one machine.

#ifndef QUEUE_JOURNAL_JOURNAL_LMDB_H
#define QUEUE_JOURNAL_JOURNAL_LMDB_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/journal/journal.h"
#include "queue/journal/lmdb_clock.h"

struct journal_lmdb_config {
    const char *dir; // made if it is not there, with mode 0700; not its parent
    uint64_t
        map_bytes; // that all may take; 0: 8 GiB. The same in all processes
    const struct journal_lmdb_clock *clock; // borrowed; NULL: the machine's
};

// OK: *out is the caller's until journal_close(). Any number of handles in any number of
// processes may have the same directory open; no process opens one and then forks. Other
// threads must not use environments of LMDB while the first one of a directory is opened.
// On an error `why` gets a sentence. ERR_INVALID: it is no directory of a journal, or of
// another version. ERR_CORRUPT, ERR_FULL, ERR_IO.
MUST_CHECK enum err journal_lmdb_open(const struct journal_lmdb_config *config,
                                      struct buf *why, struct journal **out);

#endif
