// SPDX-License-Identifier: MIT
// stack_names.h — the inside: records which organizations, stacks and environments
// were named.

#ifndef QUEUE_CATALOG_STACK_NAMES_H
#define QUEUE_CATALOG_STACK_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/catalog/hook_store.h"
#include "queue/catalog/stacks_seen.h"
#include "queue/lmdb/environment.h"

struct hook_store;

// How many names each environment may hold.
struct share_limit stacks_limit(const struct queue_config *config);

// The key of a name; `key` has room for STACK_KEY_MAX_BYTES. ERR_INVALID: longer
// than a key may be.
MUST_CHECK enum err stack_key(const struct stack_name *name, char *key,
                              struct str *out);

// Decodes a key. ERR_CORRUPT: it is no key of a name.
MUST_CHECK enum err stack_name_of(struct str key, struct stack_name *out);

// Adds rows for the stack or environment and its organization, where they are
// missing. Skips malformed names, those of `posthorn bench`, and those beyond the
// limit.
MUST_CHECK enum err stacks_note(struct store *s, MDB_txn *txn, unsigned db,
                                const struct stack_name *name,
                                const struct share_limit *limit,
                                struct stacks_seen *seen);

// Forgets up to `max` names of the organization, its own one too. `n`: how many rows were
// removed; fewer than `max`: none is left.
MUST_CHECK enum err stacks_remove(struct store *s, MDB_txn *txn, unsigned db,
                                  struct str org, size_t max, size_t *n);

// Records the environments of all hooks: earlier versions recorded none.
MUST_CHECK enum err stacks_note_environments(struct hook_store *hs);

// Call when the transaction that recorded the names failed.
void stacks_forget(struct stacks_seen *seen);

#endif
