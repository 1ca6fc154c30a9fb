// SPDX-License-Identifier: MIT
// aside.h — records that dispatchers of this shard died with (blame.h).

#ifndef ENGINE_DISPATCHER_DELIVER_ASIDE_H
#define ENGINE_DISPATCHER_DELIVER_ASIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/process/blame.h"
#include "engine/dispatcher/schedule/alone.h"
#include "queue/queue.h"

struct death;
struct delivery;
struct dispatcher;
struct hook_state;
struct outcome;
struct in_flight;

// Notes that this delivery is worked on (blame.h). A ping is noted as a request: it is
// made again only if somebody asks for it again.
struct blamed aside_note(const struct delivery *dv);

// Whether pings of a hook are refused: the process died with them too often.
bool aside_refuses_pings(const struct hook_state *f);

// Dispatchers that died with this delivery.
uint32_t aside_deaths(uint64_t hook_id, struct position position);

// What a replay is to do with this delivery: alone_admits_replay().
enum admission aside_of_replay(struct dispatcher *d, uint64_t hook_id,
                               struct position position);

// Passes over events that are set aside, and limits the scan so that a suspect
// is read by itself. False: the scan has to wait.
bool aside_limit_scan(struct dispatcher *d, struct event_scan *scan);
void aside_scanned(
    struct dispatcher *d); // all events up to read_to are matched
// An attempt of the delivery went well, whatever its outcome.
void aside_survived(struct dispatcher *d, struct delivery *dv);
void aside_committed(struct dispatcher *d);

// Whether the hook is set aside in this revision; if so, marks its hook_state.
bool aside_hook(struct dispatcher *d, const struct hook *hook);

// The hook sends nothing, or may send again.
void aside_set(struct dispatcher *d, struct hook_state *f, bool is_aside);

void aside_init(struct dispatcher *d);

#endif
