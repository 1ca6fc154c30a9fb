// SPDX-License-Identifier: MIT
// row_change.h — the change of a row, as bytes.
//
// Changes are encoded one after another: table(1), whose highest bit is set for a
// deletion; length of the key(2); key; unless deleted, length of the value(4), and value.
// Numbers are big-endian.

#ifndef QUEUE_LMDB_ROW_CHANGE_H
#define QUEUE_LMDB_ROW_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

struct row_change {
    unsigned db; // number of the table
    bool is_deleted;
    struct str key, value; // borrowed from the bytes
};

// Takes the first change off `bytes`. ERR_NOTFOUND: there is none left. ERR_CORRUPT: no
// change of an environment with `n_dbs` tables; `bytes` is as before.
MUST_CHECK enum err row_change_take(struct str *bytes, size_t n_dbs,
                                    struct row_change *out);

void row_change_put(struct buf *to, const struct row_change *change);

#endif
