// replay.h — replays: what is to be sent once more, and how far that is. Part of
// queue.h, which is what to include.

#ifndef QUEUE_RECORDS_REPLAY_H
#define QUEUE_RECORDS_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/encoding/id.h"
#include "queue/shard/history.h"

struct shard;

#define REPLAY_IDS_MAX 1000

// Values are on disk.
enum replay_state { REPLAY_RUNNING = 1, REPLAY_DONE = 2, REPLAY_CANCELLED = 3 };

// A replay of one hook. Those of an organization share an id.
struct replay {
    struct id id;
    uint64_t hook_no;
    uint64_t org_no; // of the hook's organization
    enum replay_state state;
    int64_t created_at_ms;
    int64_t ended_at_ms;      // 0: it runs
    uint32_t rate_per_second; // 0: as the settings say
    // What it is about: attempts that the filter wants, these ids only if there
    // are any, or events that the hook never got.
    struct history_filter filter; // kinds point into the record
    struct str ids;               // 16 bytes each
    bool unmatched;
    // From where to where: rows of the history, or numbers of events.
    uint64_t next, end;
    uint64_t matched;   // deliveries, when it was asked for
    uint64_t delivered; // of these, as the next three
    uint64_t dead;
    uint64_t cancelled; // or removed by retention meanwhile
    uint64_t retrying;  // failed once more, and will be tried again
};

// What rows in the due index call it by.
uint64_t replay_tag(const struct id *id);

void replay_encode(const struct replay *r, struct buf *out);
// Borrows from `record`.
MUST_CHECK enum err replay_decode(struct str record, struct replay *out);

// What it is given is borrowed for the call. False ends the scan.
typedef bool (*replay_visit)(void *data, const struct replay *replay);

// Those of a shard, by id; or only those with this one (NULL: all).
MUST_CHECK enum err replays_each(struct shard_view *view, const struct id *id,
                                 replay_visit visit, void *data);

// Those of a shard that come after this one, which need not be there any more (NULL:
// all).
struct replay_place {
    struct id id;
    uint64_t hook_no;
};
MUST_CHECK enum err replays_after(struct shard_view *view,
                                  const struct replay_place *after,
                                  replay_visit visit, void *data);

#endif
