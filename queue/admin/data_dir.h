// SPDX-License-Identifier: MIT
// data_dir.h — makes a data directory, or checks an existing one. Part of queue.h,
// which is what to include outside of queue/.

#ifndef QUEUE_ADMIN_DATA_DIR_H
#define QUEUE_ADMIN_DATA_DIR_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/records/queue_config.h"

// The first part of queue_prepare(): makes the directory, or refuses one that is
// not posthorn's; writes nothing into an existing one.
MUST_CHECK enum err queue_check(const struct queue_config *config,
                                struct buf *why);

// Creates what is missing, durably and atomically; finishes a change of `n_shards`,
// moving rows to the shards that own them now; refuses a directory that is not
// posthorn's. If the event log ends before events that deliveries and hooks know,
// its end is moved behind those, and the missing events are noted. Run it in a
// process of its own, before any role starts and while none runs. On any error
// `why` holds a sentence for the operator. ERR_DENIED: the directory cannot be
// written. ERR_INVALID: it is not a posthorn directory, or of a newer version, or
// its secrets were sealed with other keys. ERR_CONFLICT: its parts come from
// several directories, or some are missing. ERR_FULL: too little free space.
MUST_CHECK enum err queue_prepare(const struct queue_config *config,
                                  struct buf *why);

// ERR_INVALID: FORMAT names a format that this program does not read, and `why`
// holds a sentence. A missing or damaged FORMAT is no error here.
MUST_CHECK enum err queue_check_format(const char *data_dir, struct buf *why);

#endif
