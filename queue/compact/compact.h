// SPDX-License-Identifier: MIT
// compact.h — writes the environments of a data directory anew, without what was removed.
// Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_COMPACT_COMPACT_H
#define QUEUE_COMPACT_COMPACT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/admin/progress.h"
#include "queue/records/queue_config.h"

#define COMPACT_PARTS_MAX (QUEUE_SHARDS_MAX + 2)

struct compact_result {
    size_t n; // environments that were written anew
    struct compact_part {
        char name[32];                      // "deliveries/1"
        uint64_t before_bytes, after_bytes; // that the file takes on disk
    } parts[COMPACT_PARTS_MAX];
};

// Writes each environment anew: every record as it is, but nothing that was removed, not
// even in the gaps between records. The new file replaces the old one in one rename, once
// it is complete and synced, so a kill at any moment leaves the one or the other. No engine
// may run, and this process must have opened none of the environments. `why` gets a
// sentence. ERR_FULL: the disk has not enough room for the copy of an environment beside
// it; nothing was changed. ERR_CORRUPT: an environment is damaged; those before it are done.
// ERR_INVALID: a file is a link, or of another format. ERR_NOTFOUND: there is no queue.
// `max_bytes`: the setting max_queue_bytes. ERR_AGAIN: `on_progress`, which may be NULL and gets records, ended it.
MUST_CHECK enum err queue_compact(const char *data_dir, uint64_t max_bytes,
                                  queue_progress on_progress, void *data,
                                  struct compact_result *out, struct buf *why);

// Removes what a compaction that was killed has left. Done by each start of an engine, too.
MUST_CHECK enum err compact_clean(const char *data_dir);

#endif
