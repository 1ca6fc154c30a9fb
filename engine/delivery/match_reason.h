// SPDX-License-Identifier: MIT
// match_reason.h — why a hook does not get an event, in words.

#ifndef ENGINE_DELIVERY_MATCH_REASON_H
#define ENGINE_DELIVERY_MATCH_REASON_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "engine/delivery/event_facts.h"
#include "queue/queue.h"

// Appends why the hook does not get the event that the facts are of; nothing if it gets
// it. Only an event that `is_stored` has a position, and may have been accepted before the
// hook was there. Returns a word for the reason, for programs; NULL if it gets it. The words
// are those of the OpenAPI document.
const char *match_put_reason(const struct hook *hook, struct event_facts *facts,
                             bool is_stored, struct buf *out);

#endif
