// dispatch.h — the inside of a dispatcher, shared by its files.
//
//   reader.c    reads the event log from the cursor and matches
//   followed.c  follows the hooks, keeps what runs for each
//   pump.c      which delivery goes next; fetches due rows
//   send.c      makes a request of a delivery and gives it to a sender
//   settle.c    turns outcomes into history and moves; commits
//   manual.c    attempts that somebody asked for: pings and redeliveries
//   dispatcher.c  the process: links, timers, drain
//
// A delivery in memory is WAITING (in its hook's queue), SENT (in a slot), or
// SETTLED (its row is still in the index until the next commit). One that has
// no row yet is covered by the cursor: it gets a row when the cursor passes its
// event, unless it was settled before. Everything else lies in the due index
// only, and is fetched when its hook has room. What was settled before and is
// sent again by hand has a past instead of a row.

#ifndef ENGINE_DISPATCH_H
#define ENGINE_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/buf.h"
#include "common/chan.h"
#include "common/config.h"
#include "common/role.h"
#include "engine/match.h"
#include "engine/order.h"
#include "engine/render.h"
#include "queue/queue.h"

// Deliveries waiting in memory, all hooks together. Beyond, the reader pauses
// for hooks that are fast, and moves what waits for slow ones into the index.
#define WAITING_MAX   512
#define SLOW_AFTER_US 20000 // a head that waits longer makes its hook slow
#define FETCH_ROWS    128   // due rows read at once for a hook
#define CRASHES_MAX   3     // senders that may die with a delivery
#define NO_SLOT       UINT32_MAX
#define MANUAL_MAX    64 // attempts by hand at once, beside the others

enum delivery_place { DELIVERY_WAITING, DELIVERY_SENT, DELIVERY_SETTLED };

// What a delivery had come to before somebody asked for one more attempt.
enum past {
    PAST_NONE, // it was not settled: the attempt is its next one
    PAST_PING, // there was none
    PAST_DELIVERED,
    PAST_DEAD, // it is in the dead index
    PAST_CANCELLED,
    PAST_EXPIRED // it was dead, and retention has removed it since
};

struct followed;
struct manual;

struct delivery {
    struct followed *hook;
    struct position position;
    struct delivery *next;      // in its hook's queue or in a list of settled
    struct delivery *same_hash; // in the table of open deliveries
    struct delivery *rowless_prev, *rowless_next; // while it has no row
    struct delivery *fresh_prev, *fresh_next;     // while it waits and is fresh
    int64_t waiting_since_us;                     // monotonic
    int64_t due_at_ms;                            // key of its row
    int64_t queue_us; // acceptance to its first attempt
    uint32_t n_attempts;
    uint32_t n_crashes;
    enum delivery_place place;
    enum past past;
    struct manual *manual; // who asked for this attempt; NULL: nobody
    bool has_row;
    bool is_fresh; // came from the log, not from the index
    bool has_body; // its event's payload is the body already: a ping, again
};

// A hook of this shard, and what runs for it.
struct followed {
    struct dispatcher *dispatcher;
    uint64_t no;
    struct hook *hook;      // owned; NULL: deleted, what is left is cancelled
    unsigned sender;        // whose ring it is in, or will be next
    unsigned wanted_sender; // by its URL; taken when it next gets ready
    uv_timer_t due_timer;   // fires when its first row in the index is due
    struct delivery *first, *last; // waiting, in order
    struct followed *next_ready;   // in its sender's ring
    uint32_t n_sent;
    uint32_t n_open; // deliveries in memory
    int64_t timer_due_at_ms;
    bool is_ready;     // in the ring
    bool has_rows;     // the index holds rows that are not in memory
    bool is_fetchable; // and some of them are due
    bool is_closing;
    struct due_row fetched; // last row read, after commit `fetched_after`
    uint64_t fetched_after; // 0: none was read
    struct followed *next_hash;
};

// An attempt in flight, with what its history row will need.
struct slot {
    struct delivery *delivery; // NULL: free
    uint32_t generation;       // tells late outcomes of an earlier use apart
    uint32_t next_free;
    unsigned sender;
    int64_t accepted_at_us;
    struct id event_id;
    struct buf kind, url, headers;
    struct buf body; // if it is not the event's payload; else empty
};

struct sender_link {
    struct dispatcher *dispatcher;
    unsigned index;
    struct chan *chan; // NULL: not there
    uint32_t n_sent;
    struct followed *ring_first, *ring_last; // hooks with something to send
};

// Rows that a change puts: when it is committed, their hooks look for them.
struct wake {
    uint64_t hook_no;
    int64_t due_at_ms;
};

struct wakes {
    struct wake *at;
    size_t n, room;
};

struct dispatcher {
    struct role *role;
    const struct config *config; // borrowed from the role
    struct shard *shard;
    struct event_view *events;
    struct hook_store *hooks;
    unsigned n_shards;
    unsigned n_senders;

    // followed.c
    struct match_index *index;
    struct followed **by_no; // hash table
    size_t n_by_no_mask;
    size_t n_followed;
    uint64_t hooks_seen; // revision

    // reader.c
    struct position read_to;
    uv_idle_t read_more; // active while there is more to read
    uv_timer_t poll_timer;
    bool is_reader_paused;

    // pump.c
    struct sender_link senders[16];
    struct slot *slots;
    size_t n_slots;
    uint32_t free_slot; // NO_SLOT: none
    uint32_t n_sent;
    uint32_t n_manual; // asked for by hand and not answered
    struct delivery *fresh_first, *fresh_last; // by waiting_since_us
    uint32_t n_fresh;                          // waiting, from the log
    uint32_t n_fetched;                        // waiting, from the index
    struct buf headers;                        // scratch
    struct renderer *renderer;

    // manual.c
    struct shard_view *history;
    struct chan *api; // NULL: not there
    uint64_t n_apis;  // links to api so far: tells late answers apart
    struct manual *filling_answers, *committing_answers; // sent when committed

    // the table of open deliveries
    struct delivery **open;
    size_t n_open_mask;
    size_t n_open;
    struct delivery *free_deliveries;
    struct delivery *rowless; // list

    // settle.c
    struct shard_change *filling, *committing;
    struct wakes filling_wakes, committing_wakes;
    struct delivery *filling_settled, *committing_settled; // leave the table
    uint64_t n_commits;
    int64_t commit_started_us;
    uv_timer_t commit_timer;
    struct position cursor_said; // in the last change that was started
    bool is_commit_failing;
    uint64_t jitter_state; // of a small generator, seeded by the kernel

    bool is_draining;
    bool is_final_commit;
    bool is_late; // the drain took longer than it may
    uv_timer_t drain_timer;
};

// --- opens.c: deliveries in memory ---

void opens_init(struct dispatcher *d);
struct delivery *open_find(const struct dispatcher *d, uint64_t hook_no,
                           struct position position);
// A new one, WAITING, without a row unless the caller gives it one.
struct delivery *open_add(struct dispatcher *d, struct followed *f,
                          struct position position);
void open_give_row(struct dispatcher *d, struct delivery *dv,
                   int64_t due_at_ms);
void open_remove(struct dispatcher *d, struct delivery *dv); // frees it

// --- followed.c ---

// Reads what changed since last time. Exits the process if the store fails.
void followed_refresh(struct dispatcher *d);
struct followed *followed_find(const struct dispatcher *d, uint64_t no);
// Finds it, or makes one whose hook is deleted: its rows are cancelled.
struct followed *followed_get(struct dispatcher *d, uint64_t no);
// Rows of it are in the index, the first due at this time.
void followed_expect(struct followed *f, int64_t due_at_ms);
bool followed_is_active(const struct followed *f);
// Nothing more is known of a deleted hook, or of one that rests: let it go.
void followed_forget_if_done(struct followed *f);

// --- reader.c ---

void reader_start(struct dispatcher *d);
void reader_wake(struct dispatcher *d); // there may be more in the log
void reader_stop(struct dispatcher *d);

// --- pump.c ---

// Puts it at the end of its hook's queue.
void pump_enqueue(struct dispatcher *d, struct delivery *dv);
void pump_ready(struct followed *f); // it may have something to send
void pump_all(struct dispatcher *d);
void pump_sender(struct sender_link *link);
// Puts it back at the front of its hook's queue.
void pump_return(struct dispatcher *d, struct delivery *dv);
// All that waits for this hook goes into the index and leaves the memory.
void pump_spill(struct followed *f);
// Takes a waiting delivery out of its hook's queue.
void pump_unlink(struct dispatcher *d, struct delivery *dv);

// --- send.c ---

void send_init(struct dispatcher *d);
// Hands it to its sender, which must be there, with a slot free. One whose
// event cannot be read is cancelled.
void send_delivery(struct dispatcher *d, struct delivery *dv);
// The same for an event that is not in the log.
void send_event(struct dispatcher *d, struct delivery *dv,
                const struct event *event);
void slot_free(struct dispatcher *d, struct slot *s);

// --- manual.c ---

void manual_on_link(struct dispatcher *d, int fd);
// What the outcome makes of a delivery with a past: said to d->filling.
enum delivery_state manual_settle(struct dispatcher *d,
                                  const struct delivery *dv, bool is_delivered);
// Whoever asked for it is answered when d->filling is committed.
void manual_answer(struct dispatcher *d, struct delivery *dv,
                   int64_t started_at_us);
// Answers whoever asked for an attempt that is not made after all.
void manual_refuse(struct dispatcher *d, struct delivery *dv, enum err err);
void manual_send_answers(struct dispatcher *d); // of d->committing

// --- settle.c ---

void settle_init(struct dispatcher *d);
void settle_outcome(struct dispatcher *d, const struct outcome *outcome);
// It cannot be sent anywhere, by the settings: the attempt fails at once.
void settle_unsent(struct dispatcher *d, struct slot *s);
// The sender died with it: back to the queue, no attempt is spent.
void settle_crash(struct dispatcher *d, struct slot *s);
void settle_cancel(struct dispatcher *d, struct delivery *dv);
void settle_put_row(struct dispatcher *d, const struct due_row *row);
// Something was said to d->filling: commit soon.
void settle_touch(struct dispatcher *d);
void settle_commit_now(struct dispatcher *d);

// --- dispatcher.c ---

// There may be new events, or changed hooks.
void dispatcher_look_again(struct dispatcher *d);
void dispatcher_leave_if_drained(struct dispatcher *d);

#endif
