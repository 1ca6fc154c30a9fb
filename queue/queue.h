// queue.h — the durable state: the event log, the deliveries, the hooks.
//
// The only header of this folder that engine/ and api/ may include: it brings
// event.h (the log), delivery.h, history.h (attempts), hook_health.h, stats.h,
// replay.h and hook_store.h (hooks, stacks, tokens) with it.
//
//   append ─► event log ─(a dispatcher reads on from its cursor, matches)─►
//
//      DUE ──attempt: 2xx──────────► delivered: history only
//      ▲ ▲ └─attempt: failed───────► DUE again, later
//      │ └─redeliver── DEAD ◄──────┘ attempts used up
//      └─ what the cursor passed and what is not settled yet
//
// A delivery is one event for one hook. It lies in exactly one index, and that
// index is its state. The payload is stored once, in the event log.
//
// Three kinds of environment under `data_dir`, each with one writing process:
//   events/            ingest         the event log, idempotency keys
//   deliveries/K/      dispatcher K   cursor, due, dead, history, counts
//   hooks/             api            hooks and tokens
// Everybody else opens them for reading. Nothing here closes an environment:
// LMDB 0.9.26–0.9.31 would destroy the mutexes that the other processes use. A
// process that is done exits.
//
// What a second implementation must keep: appends and shard commits take a
// batch, are asynchronous, and end known: committed, or not. Positions are
// opaque and comparable within one log only. No transaction leaves this
// folder.
//
// Every function returns, besides what it names: ERR_IO (the disk or the file
// failed; the reason is logged), ERR_CORRUPT (a damaged record) and, where
// something is stored, ERR_LOST (the files were removed or replaced while in use:
// it may be gone).

#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/share.h"
#include "common/base/str.h"
#include "common/encoding/id.h"
#include "common/files/account.h"
#include "queue/catalog/hook_label.h"
#include "queue/catalog/hook_store.h"
#include "queue/records/delivery.h"
#include "queue/records/event.h"
#include "queue/records/hook_health.h"
#include "queue/records/replay.h"
#include "queue/records/stats.h"
#include "queue/shard/history.h"

struct keyring;
struct uv_loop_s;

#define QUEUE_SHARDS_MAX 64

// Of data directories: what this program writes, and the oldest that it converts.
#define QUEUE_FORMAT        5
#define QUEUE_FORMAT_OLDEST 4

// --- start ---------------------------------------------------------------

struct queue_config {
    const char *data_dir; // borrowed
    uint64_t max_bytes;   // quota; the maps are this large, those of deliveries
                          // four times
    unsigned n_shards;    // dispatchers, 1..QUEUE_SHARDS_MAX
    struct keyring *keys; // borrowed; of the hooks' secrets; NULL: none
    struct share_limit
        stacks; // of the names of stacks in each environment that
                // notes them; zeros: a million, a tenth for one
};

// The first part of queue_prepare(): makes the directory, or refuses one that is
// not ours; writes nothing into that.
MUST_CHECK enum err queue_judge(const struct queue_config *config,
                                struct buf *why);

// Creates what is missing, durably and atomically; finishes a change of
// `n_shards`, moving rows to the shards that own them now; refuses a directory
// that is not ours. An event log that ends before what deliveries and hooks know
// goes on behind that, and what is missing is noted. Run it in a process of its
// own, before any role starts and while none runs. On any error `why` holds a
// sentence for the operator. ERR_DENIED: the directory cannot be written.
// ERR_INVALID: it is not a posthorn directory, or of a newer version, or its
// secrets were sealed with other keys. ERR_CONFLICT: it is put together of
// several, or parts of it are missing. ERR_FULL: too little free space.
MUST_CHECK enum err queue_prepare(const struct queue_config *config,
                                  struct buf *why);

// Seals every secret of the hooks anew with the first of the keys, in one
// transaction. For an engine that does not run. ERR_DENIED: a secret needs a key
// that is not among them.
MUST_CHECK enum err queue_reseal(const struct queue_config *config,
                                 uint64_t *n_hooks);

// The shard that owns a hook.
unsigned queue_shard_of(uint64_t hook_no, unsigned n_shards);

// --- deliveries ----------------------------------------------------------

enum count { // cumulative, kept in the same transactions as the rows
    COUNT_MATCHED,
    COUNT_DELIVERED,
    COUNT_CANCELLED,
    COUNT_DEAD_EXPIRED, // dead letters that retention removed
    COUNT_DAMAGED,      // events that could not be read
    COUNTS
};

// What waits for a hook: rows in the due index, and the payloads of their events.
struct backlog {
    int64_t n_rows;
    int64_t n_bytes;
};

struct shard_counts {
    int64_t counts[COUNTS];
    uint64_t n_due;  // rows in the index now
    uint64_t n_dead; // likewise
};
// Invariant after every commit:
// matched = delivered + cancelled + dead_expired + n_dead + n_due

// What one transaction will do: a plain value, in the order it was said, that
// could be written to a log as it is.
struct shard_change;

struct shard_change *shard_change_new(void);
void shard_change_free(struct shard_change *c); // NULL is fine

// Empty it for reuse.
void shard_change_reset(struct shard_change *c);

// Everything up to and with `position` has been matched.
void change_cursor(struct shard_change *c, struct position position);
// The clock of the due times (UTC epoch), and how long dispatchers of the shard
// have run in all. Goes with the next commit, and is no reason for one.
void change_clock(struct shard_change *c, int64_t clock_ms, int64_t ran_ms);
void change_due_put(struct shard_change *c, const struct due_row *row);
void change_due_del(struct shard_change *c, const struct due_row *row);
void change_dead_put(struct shard_change *c, const struct dead_row *row);
// One that retention has removed meanwhile is counted as expired no more.
void change_dead_del(struct shard_change *c, uint64_t hook_no,
                     struct position position);
void change_attempt(struct shard_change *c, const struct attempt *attempt);
void change_count(struct shard_change *c, enum count count, int64_t delta);

// If nothing is known, the row is deleted.
void change_health(struct shard_change *c, uint64_t hook_no,
                   const struct hook_health *health);
// An event that the engine makes itself. It lies here until it is in the event
// log, under its own id.
void change_outbox_put(struct shard_change *c, const struct event *event);
void change_outbox_del(struct shard_change *c, const struct id *id);

void change_replay_put(struct shard_change *c, const struct replay *replay);
void change_replay_del(struct shard_change *c, const struct replay *replay);

// Adds to the statistics of an owner (history.h) at this time (UTC epoch).
void change_stats(struct shard_change *c, uint64_t owner_no, int64_t at_s,
                  const struct stats *stats);
// All attempts up to and with this change are in the statistics.
void change_stats_noted(struct shard_change *c);

size_t change_n(const struct shard_change *c); // things said
size_t change_bytes(const struct shard_change *c);

struct shard;

typedef void (*shard_committed)(void *data, enum err err);

// The writing end of shard `k`, and the reads of its owner.
MUST_CHECK enum err shard_open(const struct queue_config *config, unsigned k,
                               struct uv_loop_s *loop, struct shard **out);

// Starts the transaction off the loop; `done` runs exactly once, later, on the
// loop. The change is borrowed until then. One commit at a time: asserts that
// none is in flight. ERR_FULL: no room on the disk or in the map, nothing
// changed; commit the same change again later. Deleting what is not there is
// no error.
void shard_commit(struct shard *s, const struct shard_change *c,
                  shard_committed done, void *data);

bool shard_is_committing(const struct shard *s);

// What change_clock() said last, as committed; 0: nothing.
int64_t shard_clock_ms(const struct shard *s);
int64_t shard_ran_ms(const struct shard *s);

// How much can be committed beyond what is under way, as each commit and each trim
// finds.
enum room {
    ROOM_PLENTY,
    ROOM_TIGHT, // the disk, or the map, is full: small records go on, in free pages
    ROOM_NONE // likewise: begin nothing whose end has to be committed
};
enum room shard_room(const struct shard *s);

// Matched up to here, as committed.
struct position shard_cursor(const struct shard *s);

// After a change of `n_shards` a shard's cursor may lie before what an earlier
// owner of the hook had matched already. True: this event was matched for this
// hook by its earlier owner; skip it.
bool shard_was_matched(const struct shard *s, uint64_t hook_no,
                       struct position position);

struct due_query {
    uint64_t hook_no;
    const struct due_row
        *after;       // borrowed; rows after it. NULL: from the first
    int64_t until_ms; // due at or before
};

// Up to `max` due rows of a hook in due order. Committed rows only.
MUST_CHECK enum err shard_due_read(struct shard *s,
                                   const struct due_query *query,
                                   struct due_row *rows, size_t max, size_t *n);

// The row of this hook, due time and event. ERR_NOTFOUND. Committed rows only.
MUST_CHECK enum err shard_due_get(struct shard *s, uint64_t hook_no,
                                  int64_t due_at_ms, struct position position,
                                  struct due_row *out);

// Each hook that has due rows, with its first due time: one seek a hook.
typedef void (*due_hook_visit)(void *data, uint64_t hook_no,
                               int64_t first_due_at_ms);
MUST_CHECK enum err shard_due_hooks(struct shard *s, due_hook_visit visit,
                                    void *data);

// ERR_NOTFOUND: not a dead letter.
MUST_CHECK enum err shard_dead_get(struct shard *s, uint64_t hook_no,
                                   struct position position,
                                   struct dead_row *out);

// Up to `max` dead letters in the order of hooks and events: those of `hook_no`
// behind the event at `after`, then those of the hooks with greater numbers. Of a
// damaged record only hook and event are known. Committed rows only.
MUST_CHECK enum err shard_dead_read(struct shard *s, uint64_t hook_no,
                                    struct position after,
                                    struct dead_row *rows, size_t max,
                                    size_t *n);

typedef void (*backlog_visit)(void *data, uint64_t hook_no,
                              const struct backlog *backlog);

// Counts what waits for each hook, as committed now, off the loop. On OK `visit`
// runs later, on the loop, once for each hook that has any, then `done`. If it
// failed, what was visited is not all.
MUST_CHECK enum err shard_backlog_count(struct shard *s, backlog_visit visit,
                                        void (*done)(void *data, enum err err),
                                        void *data);

// What the last commit added to that, hook by hook: within its `done`.
void shard_backlog_moved(const struct shard *s, backlog_visit visit,
                         void *data);

// Each hook of which something is known; what is visited is borrowed for the
// call.
typedef void (*health_visit)(void *data, uint64_t hook_no,
                             const struct hook_health *health);
MUST_CHECK enum err shard_health_each(struct shard *s, health_visit visit,
                                      void *data);

// The health of one hook, for any process. ERR_NOTFOUND: nothing is known.
MUST_CHECK enum err shard_view_health(struct shard_view *view, uint64_t hook_no,
                                      health_visit visit, void *data);

// Up to `max` events that are not known to be in the event log, as committed.
// What is visited is borrowed for the call.
MUST_CHECK enum err shard_outbox_read(struct shard *s, size_t max,
                                      event_visit visit, void *data);

// Rows of the history from here on are not in the statistics.
uint64_t shard_stats_from(const struct shard *s);

MUST_CHECK enum err shard_counts(struct shard *s, struct shard_counts *out);
MUST_CHECK enum err shard_usage(struct shard *s, uint64_t *n_bytes);

// What retention may remove: what is older (UTC epoch), and, while more than
// `max_bytes` are in use, also what is not, oldest first.
struct shard_retention {
    int64_t now_us;              // an attempt that is dated later is as old as
                                 // those behind it
    int64_t delivered_before_us; // attempts that left their delivery delivered
    int64_t dead_before_us;      // others, and dead letters
    uint64_t max_bytes;
};

// Starts removing up to `max` attempts that are past retention, oldest first,
// dead letters by their age, and statistics that no window reaches, off the
// loop. A commit that runs is waited for, and shard_commit() waits for a trim.
// `done` runs once, later, on the loop: whether there is more to remove. Does
// nothing, and returns false, while another trim runs or waits.
typedef void (*shard_trimmed)(void *data, bool has_more);
bool shard_trim(struct shard *s, const struct shard_retention *keep, size_t max,
                shard_trimmed done, void *data);

// --- checking --------------------------------------------------------------

// What a child process does: returns the result, and puts bytes for its parent.
// Whatever else it changes in memory is lost.
typedef enum err (*queue_step)(void *data, struct buf *out);

// Runs `step` in a child, so that what ends it (a page that is damaged, a file
// that is cut off) does not end this process, and waits. For a process that has
// opened none of the environments that the child opens. When `is_unwanted` (may be
// NULL) says so, the child gets SIGINT. ERR_CORRUPT with a sentence in `why`: it
// was ended by what it read. ERR_IO: no child, or, with a sentence, it was ended by
// somebody.
MUST_CHECK enum err queue_apart(queue_step step, void *data,
                                bool (*is_unwanted)(void), struct buf *out,
                                struct buf *why);

struct queue_report {
    uint64_t n_accepted;
    uint64_t n_unmatched; // accepted, not passed by some shard's cursor yet
    uint64_t n_missing;   // accepted, and lost by the log before a start
    uint64_t n_without;   // due and dead ones, of such events
    int64_t matched, delivered, cancelled, dead_expired, dead, pending;
    uint64_t n_hooks;
    uint64_t n_faults; // damaged records, rows without event, wrong counts
};

// So many records of all that there are. False: it shall end.
typedef bool (*queue_progress)(void *data, uint64_t done, uint64_t total);

// Reads everything in one consistent snapshot per environment, also beside a
// running engine, and checks each record, that each row's event exists, and
// that the books balance. `on_fault` gets a sentence for each fault;
// `on_progress` may be NULL. ERR_AGAIN: it was ended.
MUST_CHECK enum err queue_verify(const struct queue_config *config,
                                 void (*on_fault)(void *data, const char *what),
                                 queue_progress on_progress, void *data,
                                 struct queue_report *out);

struct queue_copied {
    uint64_t n_records, n_total;
    uint64_t n_damaged; // left out, and set aside in damaged.jsonl
};

// Copies a data directory to `to`, also beside a running engine: what was committed
// at one moment. It has its name with queue_copy_finish(); until then it lies
// under `to->temporary`. `with_keys`: secret.key and admin.token, too. As long
// as it takes, pages that the engine frees are not used again, so its files grow.
// ERR_AGAIN: `on_progress` (may be NULL) ended it. ERR_CORRUPT: pages are damaged;
// ERR_CONFLICT: its parts do not belong together; both are for queue_repair().
// ERR_EXISTS: something else than an empty directory is there. ERR_BUSY: a file
// system is mounted there. ERR_FULL, ERR_DENIED.
struct queue_copy_to {
    const char *parent, *name;
    bool is_in_place; // the target is there, and stays: it is filled
    bool
        has_worker; // root makes it, and somebody else's data directory is read:
    struct account worker; // as this user
    // Of queue_copy_begin(): the temporary directory, where it lies (parent or target,
    // which is locked), and where it is made: it itself, or a directory of the worker's.
    char *temporary;
    int base_fd, dir_fd, work_fd;
    bool is_entered;
    bool has_owner; // who gets it all, if root makes it
    struct account owner;
    mode_t mode; // of a target that is not filled; 0: 0700
    bool with_keys;
    void (*on_fault)(void *data, const char *what); // a sentence; may be NULL
};

// What a directory holds that a copy is to be made in: nothing; lost+found, or what
// a copy that was killed has left, so that it can be filled, but not replaced
// (queue_copy_begin() removes the latter); or something else.
enum queue_emptiness { QUEUE_EMPTY, QUEUE_FILLABLE, QUEUE_NOT_EMPTY };
enum queue_emptiness queue_copy_look(const char *dir);

// Makes the directory in which a copy or a repair of `data_dir` is made: beside its
// target, or in it, and nobody else's. ERR_INVALID: the target would lie in `data_dir`.
// ERR_NOTFOUND: its parent is not there. ERR_EXISTS: the parent is no directory, or a
// target that is to be filled holds something. ERR_BUSY: an engine runs with it, or
// another copy is made there. ERR_DENIED, ERR_FULL.
MUST_CHECK enum err queue_copy_begin(struct queue_copy_to *to,
                                     const char *data_dir);
// For the process that makes it, where that is one of its own, before it gives up
// rights: goes there, so that names on the way are of no matter.
MUST_CHECK enum err queue_copy_enter(struct queue_copy_to *to);
// When it is made: takes it over from the worker, gives it its owner and its name, and
// syncs it.
MUST_CHECK enum err queue_copy_finish(struct queue_copy_to *to);
// Always after queue_copy_begin(): what did not get its name is removed.
MUST_CHECK enum err queue_copy_end(struct queue_copy_to *to);

// Makes it. What it needs of `to` is of queue_copy_begin().
MUST_CHECK enum err queue_copy(const struct queue_config *config,
                               const struct queue_copy_to *to,
                               queue_progress on_progress, void *data,
                               struct queue_copied *out);

// What was saved of one table, and what was not.
struct queue_saved {
    const char *environment, *database;
    uint64_t n_records;
    uint64_t n_damaged; // set aside in damaged.jsonl
    uint64_t n_lost;    // counted there, and not found
};

struct queue_repair {
    void (*on_fault)(void *data, const char *what); // a sentence; may be NULL
    void (*on_saved)(void *data,
                     const struct queue_saved *saved); // may be NULL
    queue_progress on_progress;                        // in pages; may be NULL
    void *data;
};

struct queue_repaired {
    uint64_t n_records, n_damaged, n_lost;
    uint64_t n_faults; // of pages
    unsigned n_shards;
};

// Makes a data directory of everything that can be read of another one: damaged,
// put together of several, or with parts missing; that one is not touched. The new
// one is sound, and has its name with queue_copy_finish(); until then it lies
// under `to->temporary`. Takes the keys along. ERR_BUSY: an engine runs on it.
// ERR_NOTFOUND: there is nothing. ERR_AGAIN: `on_progress` ended it. ERR_EXISTS, as
// of queue_copy(). ERR_FULL, ERR_DENIED.
MUST_CHECK enum err queue_repair(const struct queue_config *config,
                                 const struct queue_copy_to *to,
                                 const struct queue_repair *how,
                                 struct queue_repaired *out);

// ERR_INVALID: FORMAT says that `data_dir` is of a format that this program does not
// read, and `why` holds a sentence. One that is missing or damaged says nothing.
MUST_CHECK enum err queue_judge_format(const char *data_dir, struct buf *why);

// The number of shards that `data_dir` has. ERR_NOTFOUND: no queue there.
MUST_CHECK enum err queue_n_shards(const char *data_dir, unsigned *n);

// --- upkeep ----------------------------------------------------------------

// Removes the reader slots of processes that died, and looks whether the files
// that this process has open are still in their place. Every process that opened
// something calls it every second: a dead reader pins pages, and the file
// grows.
void queue_upkeep(void);

// Whether all of them were in their place when last looked at: by the upkeep,
// and after each commit.
bool queue_is_in_place(void);

// Gives back the memory of database pages read so far (they stay in the page
// cache). Call it every second or so: it acts only when there is much.
void queue_trim_memory(void);

#endif
