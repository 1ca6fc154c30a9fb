// SPDX-License-Identifier: MIT
// page_check.h — whether the pages of an environment are sound: before LMDB, which
// believes them, reads what is in them.

#ifndef QUEUE_LMDB_PAGE_CHECK_H
#define QUEUE_LMDB_PAGE_CHECK_H

#include <stdbool.h>

#include "common/base/err.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/part.h"

struct page_check {
    bool is_skeleton; // branches, lists and the size of the file, not each leaf
    void (*on_fault)(void *data, const char *what); // a sentence; may be NULL
    bool (*on_page)(void *data); // false: it shall end; may be NULL
    void *data;
};

// Of an environment that nobody writes to. ERR_CORRUPT: there are faults.
// ERR_NOTFOUND: there is no file. ERR_AGAIN: on_page ended it.
MUST_CHECK enum err page_check_at_rest(const char *data_dir,
                                       const struct part *part,
                                       const struct page_check *check);

// Whether the file begins as one of LMDB's does; it is not read further, and may be
// written to. ERR_CORRUPT, ERR_NOTFOUND.
MUST_CHECK enum err page_check_start(const char *data_dir,
                                     const struct part *part);

// What a transaction that has just begun to read sees: the pages stay as they are
// as long as it reads, also beside a process that writes.
struct page_view;

// The transaction may begin anew meanwhile. ERR_IO: it was not found.
MUST_CHECK enum err page_view_open(const char *data_dir,
                                   const struct part *part, MDB_txn *txn,
                                   struct page_view **out);
void page_view_close(struct page_view *v); // NULL is fine
MUST_CHECK enum err page_view_check(struct page_view *v,
                                    const struct page_check *check);

// The same for one table of what `s` has open; the transaction stays as it is.
// ERR_CORRUPT: where it begins cannot be read.
MUST_CHECK enum err page_table_open(const struct store *s, MDB_txn *txn,
                                    const char *table, struct page_view **out);
// Every record that can be read, in order; from any thread. What is given is
// borrowed for the call. ERR_CORRUPT: there are faults, and the rest was read.
MUST_CHECK enum err page_table_each(struct page_view *v,
                                    void (*visit)(void *data, struct str key,
                                                  struct str value),
                                    void *data);

#endif
