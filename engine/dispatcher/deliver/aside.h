// SPDX-License-Identifier: MIT
// aside.h — records that dispatchers of this shard died with (blame.h).

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
struct hook_state;
struct outcome;
struct slot;

enum turn { TURN_NOW, TURN_LATER, TURN_NEVER };

// Notes that this delivery is worked on (blame.h). A ping is noted as a request: it is
// made again only if somebody asks for it again.
struct blamed aside_note(const struct delivery *dv);

// Whether pings of a hook are refused: the process died with them too often.
bool aside_refuses_pings(const struct hook_state *f);

// Whether sending is blocked, because a suspect is tried alone, or will be.
bool aside_blocks(const struct dispatcher *d);

// Ends the block if nothing is in flight any more. Returns the hook that has its turn
// first; NULL: none in particular.
struct hook_state *aside_look(struct dispatcher *d);

enum admission {
    ADMIT_SEND,
    ADMIT_LATER, // put it back at the front of its queue
    ADMIT_ASIDE, // set it aside: it becomes a dead letter without an attempt
    ADMIT_CANCEL // cancel it: the dispatcher died while setting it aside, too
};

// What is to be done with a delivery that was taken from its queue.
enum admission aside_admits(struct dispatcher *d, const struct delivery *dv);
enum turn aside_of_replay(struct dispatcher *d, uint64_t hook_id,
                          struct position position);

// Passes over events that are set aside, and limits the scan so that a suspect
// is read by itself. False: the scan has to wait.
bool aside_limit_scan(struct dispatcher *d, struct event_scan *scan);
void aside_scanned(
    struct dispatcher *d); // all events up to read_to are matched
void aside_survived(struct dispatcher *d, const struct delivery *dv);
void aside_committed(struct dispatcher *d);

// Whether the hook is set aside in this revision; if so, marks its hook_state.
bool aside_hook(struct dispatcher *d, const struct hook *hook);

void aside_init(struct dispatcher *d);

#endif
