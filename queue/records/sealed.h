// SPDX-License-Identifier: MIT
// sealed.h — what of an event and of an attempt is sealed with the key of its
// organization's payloads, and how.

#ifndef QUEUE_RECORDS_SEALED_H
#define QUEUE_RECORDS_SEALED_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/model/delivery.h"
#include "common/model/event.h"

struct payload_keys;

// Seals payload, attributes and trace context of an event that has its id and its
// position: afterwards the event points into `room`, which is emptied before. Errors of
// payload_seal(), and the event is as before.
MUST_CHECK enum err event_seal(struct payload_keys *keys, struct event *e,
                               struct buf *room);

// Opens what an event of the log has sealed, if anything: afterwards it points into
// `room`, which is emptied before. Without the key, or without `keys`, the event is
// locked, and the result OK. ERR_CORRUPT: the sealed text is damaged, or is another
// event's.
MUST_CHECK enum err event_unseal(struct payload_keys *keys, struct event *e,
                                 struct buf *room);

// Whether the key of a sealed event, as it is in the log, is not there.
bool event_is_locked(struct payload_keys *keys, const struct event *e);

// As with events. Without a key, nothing of what would be sealed is kept: it is never
// stored open.
void attempt_seal(struct payload_keys *keys, struct str org, struct attempt *a,
                  struct buf *room);
MUST_CHECK enum err attempt_unseal(struct payload_keys *keys, struct attempt *a,
                                   struct buf *room);

#endif
