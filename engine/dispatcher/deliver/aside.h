// aside.h — records that a process has died with; part of schedule.h.

#ifndef ENGINE_DISPATCHER_DELIVER_ASIDE_H
#define ENGINE_DISPATCHER_DELIVER_ASIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/process/blame.h"
#include "queue/queue.h"

struct death;
struct delivery;
struct dispatcher;
struct followed;
struct outcome;
struct slot;

// A delivery that was a suspect, and went well.
struct survivor {
    uint64_t hook_no, position;
    uint64_t after_commit; // forget it then
};

struct aside {
    bool is_closed;   // nothing is sent: a suspect is tried alone, or will be
    bool is_alone;    // it is in flight
    uint64_t hook_no; // whose turn it is next; 0: a reader or replay will ask
    int64_t until_us; // monotonic; if it does not
    struct survivor survivors[BLAME_MAX];
    size_t n_survivors;
};

enum turn { TURN_NOW, TURN_LATER, TURN_NEVER };

// Notes that this one is worked on (blame.h). A ping is as good as a request:
// nobody but who asks for it makes it again.
struct blamed aside_note(const struct delivery *dv);

// Whether pings of a hook are refused: the process died with them too often.
bool aside_refuses_pings(const struct followed *f);

// Nothing is to be sent but by who is let in below.
bool aside_blocks(const struct dispatcher *d);

// Nothing may be in flight any more: whose turn is it?
void aside_look(struct dispatcher *d);

// Whether a delivery, taken from its line, may be sent now. If not, it is back
// in its line, or settled.
bool aside_admits(struct dispatcher *d, struct delivery *dv);
enum turn aside_of_replay(struct dispatcher *d, uint64_t hook_no,
                          struct position position);

// Passes over events that are set aside, and limits the scan so that a suspect
// is read by itself. False: not now.
bool aside_limit_scan(struct dispatcher *d, struct event_scan *scan);
void aside_scanned(
    struct dispatcher *d); // all events up to read_to are matched
void aside_survived(struct dispatcher *d, const struct delivery *dv);
void aside_committed(struct dispatcher *d);

// Whether the hook, in this revision, is not to be followed; notes it.
bool aside_hook(struct dispatcher *d, const struct hook *hook);

void aside_init(struct dispatcher *d);

#endif
