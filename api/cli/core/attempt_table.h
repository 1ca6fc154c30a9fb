// SPDX-License-Identifier: MIT
// attempt_table.h — attempts as rows of a table, for the commands that show them.

#ifndef API_CLI_CORE_ATTEMPT_TABLE_H
#define API_CLI_CORE_ATTEMPT_TABLE_H

#include "api/cli/core/options.h"
#include "api/cli/core/terminal.h"
#include "common/encoding/json.h"

// `with_hook`: rows are of several hooks.
void rows_begin(struct table *t, bool with_hook);
void rows_put(struct table *t, const struct json_value *a);

// Appends a value of a query, percent-encoded.
void rows_put_escaped(struct buf *path, const char *text);

// Judges --since and --until, and remembers what they mean: all pages of an answer are of
// the same times. False: one of them is no time, which is said on stderr. To be called
// before the next two.
bool rows_read_times(const struct args *args);

// Appends the options that choose attempts (--state, --kind …) as a query, with
// "?" or "&" in front of each.
void rows_put_query(const struct args *args, struct buf *path);
// The same as members of a JSON object, a comma in front of each but the first.
void rows_put_members(const struct args *args, struct buf *body);

#endif
