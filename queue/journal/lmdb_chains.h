// SPDX-License-Identifier: MIT
// lmdb_chains.h — chains and their readers in LMDB; as journal.h says.

#ifndef QUEUE_JOURNAL_LMDB_CHAINS_H
#define QUEUE_JOURNAL_LMDB_CHAINS_H

#include "queue/journal/journal.h"

enum err lmdb_append(struct journal *j, unsigned chain, uint64_t after,
                     const uint8_t id[JOURNAL_ENTRY_ID], struct str bytes,
                     int64_t wait_ms, uint64_t *seq);
enum err lmdb_last(struct journal *j, unsigned chain, int64_t wait_ms,
                   uint64_t *seq, uint8_t id[JOURNAL_ENTRY_ID]);
enum err lmdb_trim(struct journal *j, unsigned chain, uint64_t before,
                   int64_t wait_ms);
enum err lmdb_reader_open(struct journal *j, unsigned chain, uint64_t after,
                          struct journal_reader **out);
enum err lmdb_reader_next(struct journal_reader *reader, int64_t wait_ms,
                          struct journal_entry *out);
void lmdb_reader_close(struct journal_reader *reader);

#endif
