// SPDX-License-Identifier: MIT
// lmdb_requests.h — requests between the processes of one machine, by sockets in the
// journal's directory; as journal.h says.
//
// Whoever serves ADDRESS listens at "ADDRESS@" and 16 hex digits, which are random: one that
// died leaves its name, and whoever finds nobody there removes it. A request is a connection:
// length(4) and body there, result(1), length(4) and answer back; numbers are big-endian.

#ifndef QUEUE_JOURNAL_LMDB_REQUESTS_H
#define QUEUE_JOURNAL_LMDB_REQUESTS_H

#include "queue/journal/journal.h"

enum err lmdb_request(struct journal *j, struct str address, struct str body,
                      int64_t wait_ms, struct buf *answer);
enum err lmdb_serve(struct journal *j, struct str address, journal_serve_fn fn,
                    void *data);

// Ends and frees all that the handle serves.
void lmdb_stop_serving(struct journal *j);

#endif
