// SPDX-License-Identifier: MIT
// engine_events.h — the engine's own events: what happened to hooks and deliveries.

#ifndef ENGINE_DISPATCHER_RECORD_ENGINE_EVENTS_H
#define ENGINE_DISPATCHER_RECORD_ENGINE_EVENTS_H

#include "engine/dispatcher/loop/dispatcher.h"

// Closed to other rooms.
struct engine_events {
    size_t n_in_work;     // sent to ingest, and not stored yet
    bool has_subscribers; // a hook names kinds of the engine's own
    bool has_operator;    // a hook of the operator is there
    bool has_outbox;      // the shard may have more to send
};

void engine_events_init(struct dispatcher *d);

// This hook, of whichever shard, is there.
void engine_events_on_hook(struct dispatcher *d, const struct hook *hook);

// An event that happens now in the scope of a hook, with a new id and without a payload.
struct event engine_event_in(const struct hook_scope *scope, const char *kind);

void engine_events_on_link(struct dispatcher *d, int fd);

// Whether any hook would get an event about this hook.
bool engine_event_is_wanted(const struct dispatcher *d,
                            const struct hook *hook);

// Adds an event about the hook to d->open_batch, if it is wanted. Its payload has the
// hook, the members of the JSON object `members`, and the time.
void engine_event_add(struct dispatcher *d, const struct hook *hook,
                      const char *kind, struct str members);

// Like engine_event_add(), with a reason for people, which is logged, too. `more`: an
// object of other members, or empty.
void engine_event_add_of_hook(struct dispatcher *d, const struct hook_state *f,
                              const char *kind, struct str reason,
                              struct str more);
void engine_events_send(struct dispatcher *d); // sends committed ones to ingest

#endif
