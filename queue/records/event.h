// event.h — the durable state of events: the log, its writing and reading ends.
// Part of queue.h, which is what to include.

#ifndef QUEUE_RECORDS_EVENT_H
#define QUEUE_RECORDS_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"
#include "common/process/blame.h"

struct queue_config;
struct uv_loop_s;

// A place in the event log. Opaque; sorts in log order.
struct position {
    uint8_t bytes[8];
};

extern const struct position position_start; // before the first event
// Behind every event: of one that is asked about and never stored.
extern const struct position position_end;

int position_cmp(struct position a, struct position b);

// Does an event lie there? Two of them never share a place; those that are not stored,
// pings and what somebody asks about, all have the same.
bool position_is_stored(struct position position);

// The two APIs never see each other's events. Values are on disk.
enum family { FAMILY_PULUMI = 1, FAMILY_AKINON = 2 };

struct event {
    struct id id;
    struct position position; // set by the queue
    int64_t accepted_at_us;   // UTC epoch
    enum family family;
    uint64_t filters;   // bit set of filter numbers (event_kinds.h); 0: none
    struct str kind;    // "stack_update", "order.created"
    struct str org;     // organization name, or 24-hex id
    struct str project; // empty if the event has none, as the next two
    struct str stack;
    struct str env;
    struct str payload; // the JSON text, compact
};

struct arena;

// A copy whose texts lie in the arena.
struct event event_copy(struct arena *arena, const struct event *event);

#define EVENT_KEY_BYTES 16

struct new_event { // filled by the caller
    struct event event;
    struct str idempotency; // key that makes it idempotent; empty: none.
                            // An id that the producer chose is one by itself.
    const struct new_event *repeats; // private to the event log
    bool has_key;                    // private to the event log
    uint8_t key[EVENT_KEY_BYTES];    // private to the event log
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
    // ERR_FULL: no room on the disk or in the map. ERR_LOST: the log's files are
    // not in their place any more. ERR_IO: the log is broken; the process should
    // end. On any error but ERR_LOST nothing of it is stored.
    void (*done)(struct append *a, enum err err);
    void *data;           // for the caller
    struct blamed blamed; // what the worker notes while it works on it
    int64_t now_us; // UTC epoch; of the 24 h for which ids and keys are known;
                    // 0: when the events were accepted
    size_t fault;   // out, with ERR_CONFLICT: index into `events`
    enum err err;   // private, as the next
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

// Takes back what was handed in. True: nothing of it is stored, and `done` will
// not run. False: its commit is under way, `done` will tell.
bool event_log_take_back(struct event_log *log, struct append *a);

// How long the commit that is under way has taken so far. 0: none is.
int64_t event_log_busy_us(const struct event_log *log);

// Appends handed in and not done yet.
size_t event_log_pending(const struct event_log *log);

// Where the log ends, as committed.
struct position event_log_end(const struct event_log *log);

// Bytes in use (file less free pages).
MUST_CHECK enum err event_log_usage(struct event_log *log, uint64_t *n_bytes);

// When the last event was accepted (UTC epoch), as it was at the opening; 0: there
// was none.
int64_t event_log_last_us(const struct event_log *log);

// What retention may remove: events that were accepted before `before_us`, and,
// while more than `max_bytes` are in use, also younger ones, oldest first; and
// idempotency keys that are older than 24 h at `now_us`. Times are of the UTC
// epoch. An event that is dated later than now is as old as those behind it.
struct event_retention {
    int64_t now_us;
    int64_t before_us;
    uint64_t max_bytes;
};

// Starts removing up to `max` events that every shard's cursor has passed and
// that no delivery needs any more. In a commit of its own off the loop, before
// the next batch of appends. As long as there is more to remove it goes on, a
// batch in between. Does nothing while another trim runs. Call it every second.
void event_log_trim(struct event_log *log, const struct event_retention *keep,
                    size_t max);

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

#endif
