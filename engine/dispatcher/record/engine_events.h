// engine_events.h — the engine's own events: what happened to hooks and deliveries.

#ifndef ENGINE_DISPATCHER_RECORD_ENGINE_EVENTS_H
#define ENGINE_DISPATCHER_RECORD_ENGINE_EVENTS_H

#include "engine/dispatcher/schedule/schedule.h"

void outbox_on_link(struct dispatcher *d, int fd);

// Whether anybody gets an event about this hook.
bool outbox_is_wanted(const struct dispatcher *d, const struct hook *hook);

// Adds an event about the hook to d->filling, if it is wanted. Its payload is
// which hook it is, `members` (each with a comma before it), and the time.
void outbox_event(struct dispatcher *d, const struct hook *hook,
                  const char *kind, struct str members);

// The same with a reason, for people, which is logged; `more`: other members.
void outbox_hook_event(struct dispatcher *d, const struct followed *f,
                       const char *kind, struct str reason, struct str more);
void outbox_send(struct dispatcher *d); // what is committed

#endif
