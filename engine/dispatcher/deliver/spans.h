// SPDX-License-Identifier: MIT
// spans.h — spans of deliveries, for the exporter of traces.

#ifndef ENGINE_DISPATCHER_DELIVER_SPANS_H
#define ENGINE_DISPATCHER_DELIVER_SPANS_H

#include "common/messages/send_order.h"
#include "engine/dispatcher/loop/dispatcher.h"

void spans_init(struct dispatcher *d);

// A link to the exporter.
void spans_on_link(struct dispatcher *d, int fd);

// Whether the attempts of a delivery have spans, if the trace is sampled.
bool spans_has_one(const struct dispatcher *d, const struct delivery *dv);

// An attempt with this event begins: notes its trace, if spans are exported.
void spans_note(struct dispatcher *d, struct in_flight *a,
                const struct event *event);

// The attempt has ended, the `n`-th of its delivery, counted from 1: sends its span and,
// with the first one, that of the time in the queue.
void spans_of_attempt(struct dispatcher *d, const struct in_flight *a,
                      const struct outcome *o, enum error_class error,
                      uint32_t n);

#endif
