// SPDX-License-Identifier: MIT
// copy_records.h — which records a copy takes: sound ones. What can be made of them, such as
// indexes and counts, is made anew.

#ifndef QUEUE_ADMIN_COPY_RECORDS_H
#define QUEUE_ADMIN_COPY_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/copy_to.h"

// Whether rows of the table are records with a checksum.
bool copy_is_record(const struct part *part, unsigned db);
// Whether a record is sound, as far as it tells.
bool copy_judge(const struct copy_to *c, struct copy_record *r);

// Writes a sound record, unless it is of what is made anew: indexes, counts, the
// state and what the environment is.
MUST_CHECK enum err copy_put(struct copy_to *c, struct copy_record *r);

// The state of a shard, and what the environment is: last of all. What was left
// out is in the books as cancelled. Without has_state, it is made of what lies
// there.
MUST_CHECK enum err copy_finish(struct copy_to *c, const uint8_t *id);

#endif
