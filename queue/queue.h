// queue.h — the durable state: the event log, the deliveries, the hooks.
//
// The only header of this folder that engine/ and api/ may include: it brings
// event.h (the log) and hook_store.h (hooks, stacks, tokens) with it.
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
// failed; the reason is logged) and ERR_CORRUPT (a damaged record).

#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/str.h"
#include "queue/event.h"
#include "queue/hook_store.h"

struct keyring;
struct uv_loop_s;

#define QUEUE_SHARDS_MAX 64

// --- start ---------------------------------------------------------------

struct queue_config {
    const char *data_dir; // borrowed
    uint64_t max_bytes;   // quota; the maps are this large, those of deliveries
                          // four times
    unsigned n_shards;    // dispatchers, 1..QUEUE_SHARDS_MAX
    struct keyring *keys; // borrowed; of the hooks' secrets; NULL: none
};

// The first part of queue_prepare(): makes the directory, or refuses one that is
// not ours; writes nothing into that.
MUST_CHECK enum err queue_judge(const struct queue_config *config,
                                struct buf *why);

// Creates what is missing, durably and atomically; finishes a change of
// `n_shards`, moving rows to the shards that own them now; refuses a directory
// that is not ours. Run it in a process of its own, before any role starts and
// while none runs. On any error `why` holds a sentence for the operator.
// ERR_DENIED: the directory cannot be written. ERR_INVALID: it is not a
// posthorn directory, or of a newer version, or its secrets were sealed with
// other keys. ERR_FULL: too little free space.
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

// A delivery that waits for its (next) attempt. The key is hook, due time,
// position: the head of a hook is found by one seek, whatever the others have.
struct due_row {
    uint64_t hook_no;
    int64_t due_at_ms; // UTC epoch
    struct position position;
    uint32_t n_attempts; // made so far
    uint32_t n_crashes;  // senders that died with it
    int64_t queue_us;    // acceptance to the first attempt, once it was made
    // Of an ordered hook, whose rows all have the due time 0, so that they lie
    // in the order of the log:
    int64_t not_before_ms; // of its next attempt; 0: at once
    uint64_t lane;         // what stands in one line with it
};

// A dead letter.
struct dead_row {
    uint64_t hook_no;
    struct position position;
    int64_t dead_at_ms;
    uint32_t n_attempts;
    int64_t queue_us; // acceptance to the first attempt
};

// The state of a delivery after an attempt. Values are on disk.
enum delivery_state {
    DELIVERY_DELIVERED = 1,
    DELIVERY_RETRYING = 2,
    DELIVERY_DEAD = 3,
    DELIVERY_CANCELLED = 4
};

// Why an attempt failed. Values are on disk; 0 is none.
enum error_class {
    ERROR_NONE = 0,
    ERROR_DNS = 1,
    ERROR_CONNECT = 2,
    ERROR_TLS = 3,
    ERROR_TIMEOUT = 4,
    ERROR_RESET = 5,
    ERROR_PROTOCOL = 6,
    ERROR_STATUS = 7,
    ERROR_BLOCKED = 8,
    ERROR_GONE = 9
};

const char *error_name(enum error_class class); // "dns"; ERROR_NONE: "none"

struct timing {       // microseconds
    int64_t queue_us; // acceptance to the start of the first attempt
    int64_t dns_us;   // the others from the start of the attempt
    int64_t connect_us;
    int64_t tls_us; // 0 without TLS
    int64_t first_byte_us;
    int64_t total_us;
    bool reused_connection;
};

// One row of the history: one HTTP request.
struct attempt {
    uint64_t hook_no;
    struct position position; // of the event, where the payload is
    struct id event_id;
    struct str kind;
    int64_t accepted_at_us;
    int64_t started_at_us;
    uint32_t attempt; // from 1
    enum delivery_state state;
    int64_t next_attempt_at_ms; // 0: none
    enum error_class error;
    struct str error_message; // empty: none
    uint16_t response_code;   // 0: no response
    bool truncated;           // the response body was cut or not all kept
    struct timing timing;
    struct str request_url;
    struct str request_headers;  // "Name: value\r\n" each, sorted by name
    struct str response_headers; // likewise, as received
    struct str response_body;    // at most 64 KiB
    struct str payload;          // the body sent, where it is not the event's
                                 // own payload; else empty
};

enum count { // cumulative, kept in the same transactions as the rows
    COUNT_MATCHED,
    COUNT_DELIVERED,
    COUNT_CANCELLED,
    COUNT_DEAD_EXPIRED, // dead letters that retention removed
    COUNT_DAMAGED,      // events that could not be read
    COUNTS
};

// What is known of a hook across restarts.
struct hook_health {
    int64_t failing_since_ms;    // UTC epoch; 0: the last attempt succeeded
    int64_t told_disabled_at_ms; // its being disabled then is an event already
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
void change_due_put(struct shard_change *c, const struct due_row *row);
void change_due_del(struct shard_change *c, const struct due_row *row);
void change_dead_put(struct shard_change *c, const struct dead_row *row);
void change_dead_del(struct shard_change *c, uint64_t hook_no,
                     struct position position);
void change_attempt(struct shard_change *c, const struct attempt *attempt);
void change_count(struct shard_change *c, enum count count, int64_t delta);

// With nothing known, the row goes.
void change_health(struct shard_change *c, uint64_t hook_no,
                   const struct hook_health *health);
// An event that the engine makes itself. It lies here until it is in the event
// log, under its own id.
void change_outbox_put(struct shard_change *c, const struct event *event);
void change_outbox_del(struct shard_change *c, const struct id *id);

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

// Each hook that has due rows, with its first due time: one seek a hook.
typedef void (*due_hook_visit)(void *data, uint64_t hook_no,
                               int64_t first_due_at_ms);
MUST_CHECK enum err shard_due_hooks(struct shard *s, due_hook_visit visit,
                                    void *data);

// ERR_NOTFOUND: not a dead letter.
MUST_CHECK enum err shard_dead_get(struct shard *s, uint64_t hook_no,
                                   struct position position,
                                   struct dead_row *out);

// Each hook of which something is known.
typedef void (*health_visit)(void *data, uint64_t hook_no,
                             const struct hook_health *health);
MUST_CHECK enum err shard_health_each(struct shard *s, health_visit visit,
                                      void *data);

// Up to `max` events that are not known to be in the event log, as committed.
// What is visited is borrowed for the call.
MUST_CHECK enum err shard_outbox_read(struct shard *s, size_t max,
                                      event_visit visit, void *data);

MUST_CHECK enum err shard_counts(struct shard *s, struct shard_counts *out);
MUST_CHECK enum err shard_usage(struct shard *s, uint64_t *n_bytes);

// Starts removing up to `max` attempts that are past retention, oldest first,
// and dead letters older than `dead_before_us`, off the loop. Attempts that
// left their delivery delivered go at `delivered_before_us`, others at
// `dead_before_us`. A commit that runs is waited for, and shard_commit() waits
// for a trim. Does nothing, and returns false, while another trim runs or waits.
// Call it every second.
bool shard_trim(struct shard *s, int64_t delivered_before_us,
                int64_t dead_before_us, size_t max);

// --- history: any process --------------------------------------------------

struct shard_view;

MUST_CHECK enum err shard_view_open(const struct queue_config *config,
                                    unsigned k, struct shard_view **out);

struct history_query {
    uint64_t hook_no;
    const struct position *event; // of this event only; NULL: of all. Pings
                                  // have position_start
    uint64_t before_no; // rows older than this one; 0: from the newest
    size_t limit;
};

// `no` numbers the rows of a shard, growing. What it is given is borrowed for
// the call. False ends the scan.
typedef bool (*attempt_visit)(void *data, uint64_t no,
                              const struct attempt *attempt);

// Attempts of one hook, newest first. Damaged rows are passed over and logged.
MUST_CHECK enum err history_scan(struct shard_view *view,
                                 const struct history_query *query,
                                 attempt_visit visit, void *data);

// Is this the newest attempt of its delivery, and is the delivery still what
// it left behind? A dead letter that expired is not, nor a retry that was
// cancelled since. For use within a visit.
MUST_CHECK enum err history_is_now(struct shard_view *view, uint64_t no,
                                   const struct attempt *attempt, bool *out);

MUST_CHECK enum err shard_view_counts(struct shard_view *view,
                                      struct shard_counts *out);
MUST_CHECK enum err shard_view_cursor(struct shard_view *view,
                                      struct position *out);

// --- checking --------------------------------------------------------------

struct queue_report {
    uint64_t n_accepted;
    uint64_t n_unmatched; // accepted, not passed by some shard's cursor yet
    int64_t matched, delivered, cancelled, dead_expired, dead, pending;
    uint64_t n_hooks;
    uint64_t n_faults; // damaged records, rows without event, wrong counts
};

// Reads everything in one consistent snapshot per environment, also beside a
// running engine, and checks each record, that each row's event exists, and
// that the books balance. `on_fault` gets a sentence for each fault.
MUST_CHECK enum err queue_verify(const struct queue_config *config,
                                 void (*on_fault)(void *data, const char *what),
                                 void *data, struct queue_report *out);

// The number of shards that `data_dir` has. ERR_NOTFOUND: no queue there.
MUST_CHECK enum err queue_n_shards(const char *data_dir, unsigned *n);

// --- upkeep ----------------------------------------------------------------

// Removes the reader slots of processes that died. Every process that opened
// something calls it every second: a dead reader pins pages, and the file
// grows.
void queue_upkeep(void);

// Gives back the memory of database pages read so far (they stay in the page
// cache). Call it every second or so: it acts only when there is much.
void queue_trim_memory(void);

#endif
