// SPDX-License-Identifier: MIT
// row_pages.h — a list that comes in pages, shown as one: rows of a table, or one JSON array.

#ifndef API_CLI_CORE_ROW_PAGES_H
#define API_CLI_CORE_ROW_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "api/cli/core/options.h"
#include "common/base/buf.h"
#include "common/encoding/json.h"

struct row_pages {
    const struct args *args; // the caller sets these
    uint64_t n_left;         // rows to show
    struct buf *path;        // of the list, borrowed; without a query
    // Appends the filters of the query to a path that has one already.
    void (*put_query)(const struct args *args, struct buf *path);
    // Puts a row into the caller's table.
    void (*put_row)(void *data, const struct json_value *row);
    void *data;
    uint64_t n_shown; // out
};

// Reads as many pages as there are rows to show; with --json prints them as one array,
// else gives each row to `put_row`. False: it failed, and stderr has the reason; what
// came before is shown.
bool row_pages_show(struct row_pages *r);

#endif
