// SPDX-License-Identifier: MIT
// page_check.h — checks the pages of an environment before LMDB, which trusts their
// contents, reads them.

#ifndef QUEUE_LMDB_PAGE_CHECK_H
#define QUEUE_LMDB_PAGE_CHECK_H

#include <stdbool.h>

#include "common/base/err.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/part.h"

struct page_check {
    bool is_skeleton; // branches, lists and file size, but no leaves
    void (*on_fault)(void *data, const char *what); // a sentence; may be NULL
    bool (*on_page)(void *data); // return false to stop; may be NULL
    void *data;
};

// Checks an environment that nobody writes to. ERR_CORRUPT: there are faults.
// ERR_NOTFOUND: there is no file. ERR_AGAIN: on_page ended it.
MUST_CHECK enum err page_check_at_rest(const char *data_dir,
                                       const struct part *part,
                                       const struct page_check *check);

// Whether the file begins like an LMDB file. Reads no further; others may write
// meanwhile. ERR_CORRUPT, ERR_NOTFOUND.
MUST_CHECK enum err page_check_start(const char *data_dir,
                                     const struct part *part);

// The pages that a newly begun read transaction sees: they stay unchanged as long
// as the transaction reads, even while another process writes.
struct page_view;

// The transaction may be restarted meanwhile. ERR_IO: its snapshot was not found.
MUST_CHECK enum err page_view_open(const char *data_dir,
                                   const struct part *part, MDB_txn *txn,
                                   struct page_view **out);
void page_view_close(struct page_view *v); // NULL is fine
MUST_CHECK enum err page_view_check(struct page_view *v,
                                    const struct page_check *check);

// Like page_view_open(), for one table of the open store `s`; the transaction is
// not restarted. ERR_CORRUPT: the table's root cannot be read.
MUST_CHECK enum err page_table_open(const struct store *s, MDB_txn *txn,
                                    const char *table, struct page_view **out);
// Visits every record that can be read, in order; callable from any thread. The
// record is borrowed for the call. ERR_CORRUPT: there are faults; the rest was
// read.
MUST_CHECK enum err page_table_each(struct page_view *v,
                                    void (*visit)(void *data, struct str key,
                                                  struct str value),
                                    void *data);

#endif
