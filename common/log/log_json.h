// SPDX-License-Identifier: MIT
// log_json.h — a line of the log as one JSON object.
//
// Its strings are ASCII: whatever a tenant gives, a line is valid UTF-8, and shows no
// control character to the terminal that it ends up on.

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
    // "key=value key=\"value\"", as log.h says; values as log_quote() makes them.
    // Numbers, true and false that stand without quotes are such in JSON.
    struct str fields;
};

// Writes the object to `to`, without a line's end. `to` has room for at least
// LOG_JSON_MIN_BYTES. Returns how many bytes were written, at most the room. The members
// are time, level, role, pid and message, then those of `fields`; one that is called like
// a member before it has "of_" before its name. A value that has no room is cut, and
// members behind it are left out.
#define LOG_JSON_MIN_BYTES 512
size_t log_json(const struct log_line *line, char *to, size_t room);

#endif
