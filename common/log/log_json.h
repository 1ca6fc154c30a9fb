// SPDX-License-Identifier: MIT
// log_json.h — a line of the log as one JSON object.
//
// All strings are ASCII: whatever text a tenant supplies, a line is valid UTF-8 and
// sends no control character to a terminal.

#ifndef COMMON_LOG_LOG_JSON_H
#define COMMON_LOG_LOG_JSON_H

#include <stddef.h>

#include "common/base/str.h"

struct log_line {
    const char *time; // RFC 3339, UTC
    const char *level;
    const char *role;
    int pid;
    const char *msg;
    // "key=value key=\"value\"", as in log.h; values as log_quote() makes them.
    // Numbers, true and false without quotes become JSON numbers and booleans.
    struct str fields;
};

// Writes the object to `to`, without a line end. `to` has room for at least
// LOG_JSON_MIN_BYTES. Returns how many bytes were written, at most `room`. The
// members are time, level, role, pid and message, then those of `fields`; a field
// with the name of an earlier member gets the prefix "of_". A value that does not
// fit is cut, and the members after it are left out.
// members behind it are left out.
#define LOG_JSON_MIN_BYTES 512
size_t log_json(const struct log_line *line, char *to, size_t room);

#endif
