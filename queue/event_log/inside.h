// SPDX-License-Identifier: MIT
// inside.h — the inside of the event log's writing end. For files in queue/ only.

#ifndef QUEUE_EVENT_LOG_INSIDE_H
#define QUEUE_EVENT_LOG_INSIDE_H

#include <uv.h>

#include "common/base/buf.h"
#include "common/base/text.h"
#include "queue/catalog/hook_store.h"
#include "queue/catalog/stack_names.h"
#include "queue/erasure/payload_work.h"
#include "queue/event_log/parts_state.h"
#include "queue/event_rows/append.h"
#include "queue/event_rows/idempotency.h"
#include "queue/lmdb/environment.h"
#include "queue/records/queue_config.h"
#include "queue/records/retention.h"
#include "queue/records/schema.h"

#define NOISE_WORDS 64

// A batch of appends waits for one step of a removal at most.
#define TRIM_STEP_US INT64_C(5000)
// LMDB lists the pages that a commit frees in one record. A short record needs no
// consecutive pages, which a full map may not have.
#define TRIM_STEP_BYTES ((size_t)1024 * 1024)

struct shard_view;

// Which organizations posted lately. All zeros: none did.
struct posters {
    uint64_t org;               // whose append came last
    int64_t last_us, before_us; // monotonic: when; and when one of another came
};

// An organization that keeps its events for less time than others.
struct org_age {
    uint64_t no;
    struct org_name org;
    int64_t kept_us;
    // The worker's during a trim.
    int64_t look_at_us; // UTC epoch; before, none of its events is old enough
    uint64_t from;      // its events before this one were looked at
    bool stays;         // one of those stayed, and may be removed later
    int64_t took_us;    // the look so far
    // The events that deliveries to its hooks need, ascending: of the look that goes on.
    // Without them, what any delivery needs of a block stays as a whole.
    uint64_t *needed;      // owned
    uint64_t needed_until; // what it says holds up to this event
    size_t n_needed;
    bool knows_needed;
    // Set by the loop, for the look that comes, if the last one wants them: its hooks,
    // unless they are too many.
    bool wants_hooks;
    uint64_t *hooks; // owned
    size_t n_hooks;
    bool knows_hooks;
};

// Closed to other rooms.
struct event_log {
    struct store *store;
    struct queue_config config;
    uv_loop_t *loop;
    uv_work_t work;
    struct list waiting; // for the next batch
    struct list batch;
    struct posters posters;
    struct parts parts; // the worker's while it is busy
    size_t n_pending;
    enum err batch_err;
    bool is_busy; // the worker has a batch or a trim
    bool is_trimming;
    bool is_trim_wanted; // start one when the worker is free again
    bool has_more_to_trim;
    int64_t work_started_us; // monotonic; of the batch or trim
    uint64_t next;       // next event's number; the worker's while it is busy
    struct position end; // as committed
    int64_t last_us;     // when the last event was accepted, at the opening
    struct buf record, sealed; // scratch, the worker's
    size_t n_noise;            // the worker's: words of `noise` that are unused
    uint32_t noise[NOISE_WORDS];
    struct stacks_seen seen;
    struct event_hasher hasher;
    void (*after_trim)(struct event_log *log); // on the loop
    struct event_retention keep; // of the trim that is running or wanted
    size_t trim_max;
    uint64_t trim_from;  // the worker's: where the next step of the trim begins
    uint64_t trim_block; // a block that is known not to be needed
    size_t n_trimmed;    // removed by the last step
    size_t n_trimmed_bytes;
    struct shard_view **shards;   // for the trim; opened at first use
    struct list all;              // appends that are not done
    struct payload_work payloads; // the worker's during a trim
    size_t n_erased_bytes;        // by the last step, of payloads
    struct org_ages {
        struct org_age *at; // owned; the worker's during a trim
        size_t n;
        size_t turn;                   // whose turn it is
        uint64_t revision;             // of the values that they were read from
        int64_t delivered_ms, dead_ms; // settings of that time
        bool has_more; // the last step left some, and may continue
    } ages;
    struct event_erasing { // an organization; the worker's during a trim
        struct id id;
        char org[NAME_MAX_BYTES];
        size_t n_org_bytes;    // 0: none is erased
        struct position until; // no event behind it is the organization's
        uint64_t from;         // where the next step begins
        bool has_more;         // the last step left some, and may continue
    } erasing;
};

// event_erasure.c; runs in the worker. Removes some of what the log has of the
// organization. Events behind `passed`, which a cursor of a shard has not passed, stay.
// `changed`: the transaction is to be committed.
MUST_CHECK enum err event_erase_some(struct event_log *log, MDB_txn *txn,
                                     struct position passed, bool *changed);

// org_ages.c: whether the events of an organization may be old enough to be removed.
bool org_ages_are_due(const struct event_log *log, int64_t now_us);
// Runs in the worker, and removes some of them. Events behind `passed`, which a cursor of a
// shard has not passed, stay, and so do those that a delivery needs. Adds to `n_removed`.
MUST_CHECK enum err org_ages_trim(struct event_log *log, MDB_txn *txn,
                                  struct position passed, size_t *n_removed);
// payload_erasure.c: whether there is an order to work off.
bool payloads_are_due(const struct event_log *log);
// Runs in the worker, and works them off; if some were due, the transaction is to be
// committed.
MUST_CHECK enum err payloads_work(struct event_log *log, MDB_txn *txn);

// After a step that was undone: all is looked at again.
void org_ages_anew(struct event_log *log);

// needs.c: the position that every shard's cursor has passed; the start if a shard cannot be
// read. To be called before event_log_needs().
struct position event_log_passed(struct event_log *log);
// Whether a delivery of any shard needs an event of the block.
bool event_log_needs(struct event_log *log, uint64_t block);

// event_retention.c: whether there may be anything to remove. This read is cheaper
// than an empty commit.
bool event_log_is_trim_due(struct event_log *log,
                           const struct event_retention *keep);
// Starts a trim off the loop. When the worker is free again, `after` runs on the
// loop.
void event_log_start_trim(struct event_log *log,
                          void (*after)(struct event_log *log));

// event_erasure.c: removes the event under the cursor, and the row of its key: that of a
// producer-chosen id is kept as long as its event, which is found through it.
MUST_CHECK enum err event_remove(struct event_log *log, MDB_txn *txn,
                                 MDB_cursor *cursor, struct position at,
                                 struct str id_key);

// ack_early.c: for the negative control of the crash test only.
struct append *event_log_ack_early(struct event_log *log, struct append *a);
void event_log_be_late(void);

#endif
