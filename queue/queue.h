// queue.h — the durable state: the event log, the deliveries, the hooks.
//
// The only header of this folder that engine/ and api/ may include.
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

struct uv_loop_s;

#define QUEUE_SHARDS_MAX 64

// --- start ---------------------------------------------------------------

struct queue_config {
    const char *data_dir; // borrowed
    uint64_t max_bytes;   // quota; the maps are this large, those of deliveries
                          // four times
    unsigned n_shards;    // dispatchers, 1..QUEUE_SHARDS_MAX
};

// Creates what is missing, durably and atomically; finishes a change of
// `n_shards`, moving rows to the shards that own them now; refuses a directory
// that is not ours. Run it in a process of its own, before any role starts and
// while none runs. On any error `why` holds a sentence for the operator.
// ERR_DENIED: the directory cannot be written. ERR_INVALID: it is not a
// posthorn directory, or of a newer version. ERR_FULL: too little free space.
MUST_CHECK enum err queue_prepare(const struct queue_config *config,
                                  struct buf *why);

// The shard that owns a hook.
unsigned queue_shard_of(uint64_t hook_no, unsigned n_shards);

// --- events --------------------------------------------------------------

// A place in the event log. Opaque; sorts in log order.
struct position {
    uint8_t bytes[8];
};

extern const struct position position_start; // before the first event

int position_cmp(struct position a, struct position b);

// The two APIs never see each other's events. Values are on disk.
enum family { FAMILY_PULUMI = 1, FAMILY_AKINON = 2 };

struct event {
    struct id id;
    struct position position; // set by the queue
    int64_t accepted_at_us;   // UTC epoch
    enum family family;
    uint64_t filters;   // bit set of filter numbers (kinds.h); 0: none
    struct str kind;    // "stack_update", "order.created"
    struct str org;     // organization name, or 24-hex id
    struct str project; // empty if the event has none, as the next two
    struct str stack;
    struct str env;
    struct str payload; // the JSON text, compact
};

struct new_event { // filled by the caller
    struct event event;
    struct str idempotency; // key that makes it idempotent; empty: none.
                            // An id that the producer chose is one by itself.
    const struct new_event *repeats; // private
    bool has_id;     // the producer chose event.id; else one is made
    bool was_stored; // out: false for a repetition, nothing was stored
};

// A request to append, owned by the caller until `done` runs. All of its
// events are committed, or none.
struct append {
    struct new_event *events; // borrowed, with all they point to; ids,
                              // positions and was_stored are filled in
    size_t n_events;
    // OK: committed and synced. ERR_CONFLICT: the event `fault` has the id or
    // key of another event of the last 24 h with another kind or payload.
    // ERR_FULL: no room on the disk or in the map. ERR_IO: the log is broken;
    // the process should end. On any error nothing of it is stored.
    void (*done)(struct append *a, enum err err);
    void *data;   // for the caller
    size_t fault; // out, with ERR_CONFLICT: index into `events`
    enum err err; // private, as the next
    struct append *next;
};

struct event_log;

// The writing end. `loop` runs the callbacks; it must outlive the log.
MUST_CHECK enum err event_log_open(const struct queue_config *config,
                                   struct uv_loop_s *loop,
                                   struct event_log **out);

// `done` runs exactly once, later, on the loop. What is handed in while a
// commit runs becomes the next commit (group commit).
void event_log_append(struct event_log *log, struct append *a);

// Appends handed in and not done yet.
size_t event_log_pending(const struct event_log *log);

// Where the log ends, as committed.
struct position event_log_end(const struct event_log *log);

// Bytes in use (file less free pages).
MUST_CHECK enum err event_log_usage(struct event_log *log, uint64_t *n_bytes);

// Starts removing up to `max` events older than `before_us` that every shard's
// cursor has passed, and idempotency keys older than 24 h, in a commit of its
// own off the loop, before the next batch of appends. Does nothing while another
// trim runs. Call it every second.
void event_log_trim(struct event_log *log, int64_t before_us, size_t max);

// The reading end: any process.
struct event_view;

MUST_CHECK enum err event_view_open(const struct queue_config *config,
                                    struct event_view **out);

// What it is given is borrowed for the call: it points into the database.
// False ends the scan after this event.
typedef bool (*event_visit)(void *data, const struct event *event);

struct event_scan {
    struct position after;
    size_t max;
    struct position last; // out: the last one passed, or `after`
    size_t n_damaged;     // out: damaged records, passed over and logged
};

// Visits up to `scan->max` events after `scan->after`, in order.
MUST_CHECK enum err event_view_scan(struct event_view *view,
                                    struct event_scan *scan, event_visit visit,
                                    void *data);

// ERR_NOTFOUND: removed by retention. ERR_CORRUPT: damaged.
MUST_CHECK enum err event_view_get(struct event_view *view,
                                   struct position position, event_visit visit,
                                   void *data);

// The newest event of the organization with this id. ERR_NOTFOUND.
MUST_CHECK enum err event_view_find(struct event_view *view, enum family family,
                                    struct str org, const struct id *id,
                                    struct position *out);

// Accepted since the directory was made; the balance starts here.
MUST_CHECK enum err event_view_accepted(struct event_view *view,
                                        uint64_t *n_events);

// Where the log ends now.
MUST_CHECK enum err event_view_end(struct event_view *view,
                                   struct position *out);

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

// --- hooks -----------------------------------------------------------------

// Values are on disk.
enum hook_level {
    LEVEL_ORGANIZATION = 1,
    LEVEL_STACK = 2,
    LEVEL_ENVIRONMENT = 3,
    LEVEL_PROJECT = 4 // Akinon
};

// Values are on disk.
enum hook_format {
    FORMAT_RAW = 1,
    FORMAT_SLACK = 2,
    FORMAT_MS_TEAMS = 3,
    FORMAT_PULUMI_DEPLOYMENTS = 4,
    FORMAT_AKINON = 5
};

// Where a hook lives: what its name is unique in, and whose events it gets.
struct hook_scope {
    enum family family;
    enum hook_level level;
    struct str org;
    struct str project; // empty for LEVEL_ORGANIZATION
    struct str target;  // stack or environment; else empty
};

#define HOOK_LIST_MAX 128

struct hook {
    uint64_t no;       // set by the queue at creation; never reused
    uint64_t revision; // set by the queue at each put
    struct hook_scope scope;
    struct str name; // identifier within the scope
    struct str display_name;
    struct str url;
    enum hook_format format;
    bool active;
    uint64_t filters;    // bit set of filter numbers (kinds.h)
    uint64_t groups;     // bit set of group numbers (kinds.h)
    struct str *kinds;   // filters with a dot: "order.created", "order.*"
    size_t n_kinds;      // at most HOOK_LIST_MAX
    struct str *headers; // extra request headers: name, value, name, value …
    size_t n_headers;    // strings: twice the headers; at most HOOK_LIST_MAX
    struct str secret;   // HMAC key; empty: none
    int64_t created_at_ms;
    int64_t updated_at_ms;
};

struct hook_store;

// The writing end (and its own reads).
MUST_CHECK enum err hook_store_open(const struct queue_config *config,
                                    struct hook_store **out);

// The reading end: puts are refused with ERR_DENIED.
MUST_CHECK enum err hook_store_view(const struct queue_config *config,
                                    struct hook_store **out);

// Stores a new hook, synced. Sets `no`, `revision`. ERR_EXISTS: the scope has
// one of that name. ERR_FULL.
MUST_CHECK enum err hook_create(struct hook_store *hs, struct hook *hook);

// Replaces the hook that has `hook->no`, if its revision is still
// `hook->revision`; sets the new one. ERR_CONFLICT: it is not. ERR_NOTFOUND.
MUST_CHECK enum err hook_update(struct hook_store *hs, struct hook *hook);

// ERR_NOTFOUND.
MUST_CHECK enum err hook_delete(struct hook_store *hs,
                                const struct hook_scope *scope,
                                struct str name);

// What it is given is borrowed for the call. False ends the scan.
typedef bool (*hook_visit)(void *data, const struct hook *hook);

// ERR_NOTFOUND.
MUST_CHECK enum err hook_get(struct hook_store *hs,
                             const struct hook_scope *scope, struct str name,
                             hook_visit visit, void *data);

// The hooks of one scope by name, from after `after_name` (empty: the first).
MUST_CHECK enum err hook_list(struct hook_store *hs,
                              const struct hook_scope *scope,
                              struct str after_name, hook_visit visit,
                              void *data);

// Every hook that changed after revision `after` (0: all that exist), in order
// of revision. A hook that changed several times comes once, as it is now; a
// deleted one comes with an empty name and only `no` and `revision` set.
// Deletions older than an hour are forgotten. `last`: where to go on.
MUST_CHECK enum err hook_watch(struct hook_store *hs, uint64_t after,
                               hook_visit visit, void *data, uint64_t *last);

// A copy in one allocation; the caller frees it with free().
struct hook *hook_copy(const struct hook *h);

// --- stacks ----------------------------------------------------------------

// The organizations and stacks that a hook or an event (not of Akinon's) has
// ever named. What named them may be gone. A million names of each are kept;
// those that come later are not, which is logged.
struct stack_view;

// For any process; one that writes hooks calls hook_store_open() before.
MUST_CHECK enum err stack_view_open(const struct queue_config *config,
                                    struct stack_view **out);

// ERR_NOTFOUND: nothing has named it.
MUST_CHECK enum err stack_find(struct stack_view *view, struct str org,
                               struct str project, struct str stack);

// The organizations, by name. False ends the list.
typedef bool (*org_visit)(void *data, struct str org);
MUST_CHECK enum err org_list(struct stack_view *view, org_visit visit,
                             void *data);

// --- tokens ----------------------------------------------------------------

#define TOKEN_HASH_BYTES 32

// Bits; values are on disk.
enum token_scope { TOKEN_INGEST = 1, TOKEN_READ = 2, TOKEN_WRITE = 4 };

// What lets somebody do something in one organization. The token itself is
// stored nowhere.
struct token {
    uint8_t hash[TOKEN_HASH_BYTES]; // SHA-256 of the token
    struct str id;                  // what it is called by people
    struct str org;
    unsigned scopes; // token_scope
    struct str name; // what it is for; may be empty
    int64_t created_at_ms;
    int64_t expires_at_ms; // 0: never
};

struct token_store;

// Both lie in the environment of the hooks, and are written by its process.
MUST_CHECK enum err token_store_open(const struct queue_config *config,
                                     struct token_store **out);
MUST_CHECK enum err token_store_view(const struct queue_config *config,
                                     struct token_store **out);

// Stores it, synced. ERR_FULL, ERR_DENIED (of a view).
MUST_CHECK enum err token_create(struct token_store *ts,
                                 const struct token *token);

// What it is given is borrowed for the call. False ends the scan.
typedef bool (*token_visit)(void *data, const struct token *token);

// The token with this hash, as committed last. ERR_NOTFOUND.
MUST_CHECK enum err token_find(struct token_store *ts,
                               const uint8_t hash[TOKEN_HASH_BYTES],
                               token_visit visit, void *data);

// Those of an organization, in no particular order.
MUST_CHECK enum err token_list(struct token_store *ts, struct str org,
                               token_visit visit, void *data);

// ERR_NOTFOUND: the organization has no token of this id.
MUST_CHECK enum err token_revoke(struct token_store *ts, struct str org,
                                 struct str id);

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
