// stack_names.h — the inside: noting which organizations, stacks and environments were
// named.

#ifndef QUEUE_CATALOG_STACK_NAMES_H
#define QUEUE_CATALOG_STACK_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"
#include "queue/lmdb/environment.h"
#include "queue/queue.h"

struct hook_store;

#define STACKS_SEEN 4096

// Three names, or with an environment four, and what separates them.
#define STACK_KEY_MAX_BYTES (3 * NAME_MAX_BYTES + 3)

// What was noted lately, so that it need not be looked up again: whole keys, since a
// name that is taken for another one is never noted. Zeros: empty.
struct stacks_seen {
    struct {
        char *at; // owned; NULL: nothing
        size_t n_bytes;
    } keys[STACKS_SEEN];
    bool is_full;     // all organizations together; the warning was logged
    bool is_one_full; // one organization; the warning was logged
};

// How many names each environment may hold.
struct share_limit stacks_limit(const struct queue_config *config);

// The key of a name; `key` has room for STACK_KEY_MAX_BYTES. ERR_INVALID: longer
// than a key may be.
MUST_CHECK enum err stack_key(const struct stack_name *name, char *key,
                              struct str *out);

// What a key names. ERR_CORRUPT: nothing.
MUST_CHECK enum err stack_name_of(struct str key, struct stack_name *out);

// Puts rows for the stack or environment and its organization, where there are none.
// Names that are none, those of `posthorn bench`, and those beyond the limit, are
// left out.
MUST_CHECK enum err stacks_note(struct store *s, MDB_txn *txn, unsigned db,
                                const struct stack_name *name,
                                const struct share_limit *limit,
                                struct stacks_seen *seen);

// Notes the environments of all hooks: earlier versions noted none.
MUST_CHECK enum err stacks_note_environments(struct hook_store *hs);

// The transaction of what was noted failed.
void stacks_forget(struct stacks_seen *seen);

#endif
