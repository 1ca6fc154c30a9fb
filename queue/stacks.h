// stacks.h — the inside: noting which organizations and stacks were named.

#ifndef QUEUE_STACKS_H
#define QUEUE_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"
#include "queue/store.h"

#define STACKS_MAX  1000000 // rows of one environment
#define STACKS_SEEN 4096

// What was noted lately, so that it need not be looked up again: whole keys, since a
// name that is taken for another one is never noted. Zeros: empty.
struct stacks_seen {
    struct {
        char *at; // owned; NULL: nothing
        size_t n_bytes;
    } keys[STACKS_SEEN];
    bool is_full; // and was logged
};

struct stack_name {
    struct str org;
    struct str project, stack; // both empty: the organization itself
};

// Puts rows for the stack and its organization, where there are none. Names
// that are none, those of `posthorn bench`, and those beyond STACKS_MAX, are left
// out.
MUST_CHECK enum err stacks_note(struct store *s, MDB_txn *txn, unsigned db,
                                const struct stack_name *name,
                                struct stacks_seen *seen);

// The transaction of what was noted failed.
void stacks_forget(struct stacks_seen *seen);

#endif
