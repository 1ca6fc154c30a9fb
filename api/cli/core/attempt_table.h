// SPDX-License-Identifier: MIT
// attempt_table.h — attempts as rows of a table, for the commands that show them.

#ifndef API_CLI_CORE_ATTEMPT_TABLE_H
#define API_CLI_CORE_ATTEMPT_TABLE_H

#include "api/cli/core/options.h"
#include "api/cli/core/terminal.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

// Begins a table of attempts. `with_hook`: rows belong to several hooks, so each names
// its hook.
void attempt_table_begin(struct table *t, bool with_hook);
void attempt_table_put(struct table *t, const struct json_value *a);

// Appends a value to a query, percent-encoded.
void query_put_escaped(struct buf *path, const char *text);

// Reads --since and --until, and keeps the results, so that all pages of an answer have
// the same times. False: one of them is not a time, which is printed to stderr. Call it
// before attempt_filter_put_query() and attempt_filter_put_members().
bool attempt_filter_read_times(const struct args *args);

// Appends the options that choose attempts (--state, --kind …) as a query, with
// "?" or "&" in front of each.
void attempt_filter_put_query(const struct args *args, struct buf *path);
// Puts the options that choose attempts as members of the open object.
void attempt_filter_put_members(const struct args *args, struct json_writer *w);

#endif
