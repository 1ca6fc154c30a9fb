// SPDX-License-Identifier: MIT
// replay_record.h — encodes and decodes replays. Part of queue.h, which is what to
// include outside of queue/.

#ifndef QUEUE_RECORDS_REPLAY_RECORD_H
#define QUEUE_RECORDS_REPLAY_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/model/replay.h"

void replay_encode(const struct replay *r, struct buf *out);
// Borrows from `record`.
MUST_CHECK enum err replay_decode(struct str record, struct replay *out);

// replay_decode() of a record that lies at its place.
MUST_CHECK enum err replay_decode_at(uint32_t place, struct str record,
                                     struct replay *out);
// Whether the replay belongs under this key.
bool replay_is_at(const struct replay *r, struct str key);

#endif
