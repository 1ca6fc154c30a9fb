// SPDX-License-Identifier: MIT
// chain_copy.c — an environment that is kept equal to what its chain says.
//
// Happy path: entries are read and done in one transaction, until there are none for the
// moment, or it is as large as it may be; the mark is put, and it is committed.
//
// If it fails: the transaction is aborted, and the chain is read again from the mark.

#include "queue/chain/chain_copy.h"

#include "common/base/clock.h"
#include "queue/chain/chain_mark.h"
#include "queue/lmdb/row_changes.h"

// A transaction holds its pages in memory until its commit; and what reads the copy sees
// nothing of it before.
#define COMMIT_BYTES ((size_t)4 << 20)
#define COMMIT_US    INT64_C(50000)

static enum err read_mark(struct chain_copy *copy)
{
    MDB_txn *txn;
    enum err err = store_read(copy->store, &txn);

    if (err != OK)
        return err;
    err = chain_mark_get(copy->store, txn, copy->meta_db, &copy->mark);
    store_read_end(copy->store);
    return err;
}

enum err chain_copy_rewind(struct chain_copy *copy)
{
    enum err err = read_mark(copy);

    buf_reset(&copy->parts);
    if (err == OK)
        chain_rewind(copy->chain, copy->mark);
    return err;
}

enum err chain_copy_open(struct chain_copy *copy, struct chain *chain,
                         struct store *store, unsigned meta_db)
{
    *copy = (struct chain_copy){ .chain = chain,
                                 .store = store,
                                 .meta_db = meta_db };
    buf_init(&copy->parts, 0);
    return chain_copy_rewind(copy);
}

void chain_copy_clear(struct chain_copy *copy)
{
    buf_clear(&copy->parts);
}

// What a commit is made of.
struct step {
    MDB_txn *txn; // NULL: nothing is to be changed yet
    struct chain_point mark;
    size_t n_bytes;
};

static enum err do_changes(struct chain_copy *copy, struct step *step,
                           const struct chain_entry *e)
{
    if (e->is_first)
        buf_reset(&copy->parts);
    if (!e->is_last || copy->parts.n_bytes > 0)
        buf_put_str(&copy->parts, e->changes);
    if (!e->is_last)
        return OK;
    step->mark = chain_end(copy->chain);
    return row_changes_apply(copy->store, step->txn,
                             copy->parts.n_bytes > 0 ? buf_str(&copy->parts)
                                                     : e->changes);
}

static enum err do_entry(struct chain_copy *copy, struct step *step,
                         const struct chain_entry *e)
{
    enum err err = OK;

    step->n_bytes += e->changes.n_bytes;
    if (step->txn == NULL)
        err = store_write(copy->store, &step->txn);
    if (err == OK && e->kind == CHAIN_CHANGES) {
        err = do_changes(copy, step, e);
    } else if (err == OK) {
        // The owner before may not have come to the end of a transaction.
        buf_reset(&copy->parts);
        step->mark = chain_end(copy->chain);
    }
    return err;
}

static enum err end_step(struct chain_copy *copy, struct step *step,
                         enum err err)
{
    MDB_txn *txn = step->txn;

    if (txn == NULL)
        return err;
    if (err == OK) {
        err = chain_mark_put(copy->store, txn, copy->meta_db, &step->mark);
    }
    err = store_write_end(copy->store, txn, err);
    if (err == OK)
        copy->mark = step->mark;
    return err;
}

enum err chain_copy_step(struct chain_copy *copy, int64_t wait_ms)
{
    struct step step = { .mark = copy->mark };
    int64_t until_us = 0;
    struct chain_entry e;
    enum err read;
    enum err err = OK;

    while ((read = chain_next(copy->chain, wait_ms, &e)) == OK) {
        wait_ms = 0;
        if (until_us == 0)
            until_us = clock_mono_us() + COMMIT_US;
        err = do_entry(copy, &step, &e);
        if (err != OK || step.n_bytes >= COMMIT_BYTES ||
            clock_mono_us() >= until_us)
            break;
    }
    copy->is_sound = step.txn == NULL && err == OK;
    if (copy->is_sound)
        return read;
    err = end_step(copy, &step, err);
    if (err != OK) {
        enum err rewound = chain_copy_rewind(copy);

        return rewound != OK ? rewound : err;
    }
    // What could not be read, the next call finds again.
    return OK;
}
