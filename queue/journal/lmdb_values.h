// SPDX-License-Identifier: MIT
// lmdb_values.h — small values and leases in LMDB; as journal.h says.

#ifndef QUEUE_JOURNAL_LMDB_VALUES_H
#define QUEUE_JOURNAL_LMDB_VALUES_H

#include "queue/journal/journal.h"

enum err lmdb_value_get(struct journal *j, struct str key, int64_t wait_ms,
                        struct buf *bytes, uint64_t *revision);
enum err lmdb_value_put(struct journal *j, struct str key,
                        const struct str *bytes, uint64_t expected,
                        int64_t wait_ms, uint64_t *revision);
enum err lmdb_value_watch(struct journal *j, struct str prefix, uint64_t after,
                          int64_t wait_ms, journal_value_fn on_value,
                          void *data, uint64_t *revision);

enum err lmdb_lease_take(struct journal *j, struct str name, struct str holder,
                         int64_t wait_ms, uint64_t *term);
enum err lmdb_lease_keep(struct journal *j, struct str name, struct str holder,
                         int64_t wait_ms, uint64_t *term);
enum err lmdb_lease_give(struct journal *j, struct str name, uint64_t term,
                         int64_t wait_ms);
enum err lmdb_lease_get(struct journal *j, struct str name, int64_t wait_ms,
                        struct buf *holder, uint64_t *term);

#endif
