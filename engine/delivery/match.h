// SPDX-License-Identifier: MIT
// match.h — which hooks want an event: an index of all hooks, in memory.
//
// Pure: no clock, no I/O. An event looks at the hooks of its own organization,
// stack and environment (or Akinon project) only, however many others there
// are; the hooks of one scope are a dense array of bit sets.

#ifndef ENGINE_DELIVERY_MATCH_H
#define ENGINE_DELIVERY_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include "engine/delivery/event_facts.h"
#include "queue/queue.h"

struct match_index; // opaque

struct match_index *match_index_new(void);
void match_index_free(struct match_index *idx); // NULL is fine

// Inserts the hook, or replaces the one with its number. Copies what it needs
// of `hook`; `runtime` comes back with each match. False: its pattern, which was valid
// when it was stored, is not valid any more; the hook is not in the index.
MUST_CHECK bool match_index_put(struct match_index *idx,
                                const struct hook *hook, void *runtime);

// Does nothing if there is no hook with this number.
void match_index_remove(struct match_index *idx, uint64_t hook_id);

// Must not change the index.
typedef void (*match_visit)(void *data, uint64_t hook_id, void *runtime);

// Calls `visit` once for each active hook that wants the event, in no
// particular order, and returns how many there are. A hook wants events of its
// scope that lie behind the end of the log at the time when the hook was made or
// switched on (compared by position, since the wall clock may step back), and of which
//   - a filter is in its filters or in its groups, or
//   - the kind is of one of its groups, if the event has no filter, or
//   - the kind matches one of its kinds;
// a hook without filters, groups and kinds wants all events of its scope, except the
// engine's own: it gets these only if it is a hook of the operator (operator.h), whose
// organization has no other events.
// Akinon's hooks are matched by their kinds alone, and by equality.
// Patterns are not compared: for each hook that is found, match_holds() says the rest.
size_t match_event(const struct match_index *idx, const struct event *event,
                   match_visit visit, void *data);

// Whether the hook's pattern holds for the event, whose values are collected when the
// first pattern needs them. True for a hook without a pattern; false for one that is not
// in the index.
bool match_holds(const struct match_index *idx, uint64_t hook_id,
                 struct event_facts *event);

// Appends why the hook's pattern does not hold; nothing if it holds.
void match_explain(const struct match_index *idx, uint64_t hook_id,
                   struct event_facts *event, struct buf *out);

// Whether any hook of the index wants the event, and its pattern holds.
bool match_wants(const struct match_index *idx, const struct event *event,
                 struct event_facts *facts);

#endif
