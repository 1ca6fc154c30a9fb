// SPDX-License-Identifier: MIT
// copy_records.h — which records a copy takes: sound ones. Derived data, such as
// indexes and counts, is made anew.

#ifndef QUEUE_ADMIN_COPY_RECORDS_H
#define QUEUE_ADMIN_COPY_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/copy_to.h"

// Whether rows of the table are records with a checksum.
bool copy_is_record(const struct part *part, unsigned db);
// Whether a record is sound, as far as its contents show.
bool copy_check_record(const struct copy_to *c, struct copy_record *r);

// Writes a sound record, unless it is of a kind that is made anew: indexes, counts,
// the state and the identity of the environment.
MUST_CHECK enum err copy_put(struct copy_to *c, struct copy_record *r);

// Writes the state of a shard and the identity of the environment; call it last.
// Rows that were left out are counted as cancelled. Without has_state, the state is
// derived from the rows that are there.
MUST_CHECK enum err copy_finish(struct copy_to *c, const uint8_t *id);

#endif
