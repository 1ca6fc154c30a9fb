// SPDX-License-Identifier: MIT
// when.h — times as people write them on a command line.

#ifndef API_CLI_CORE_WHEN_H
#define API_CLI_CORE_WHEN_H

#include <stdbool.h>
#include <stdint.h>

// The allowed forms, for messages and help.
#define WHEN_ALLOWED                                                  \
    "now, today, yesterday, 24h (ago; s, m, h, d or w), 2026-11-24, " \
    "2026-11-24 10:15, RFC 3339 or unix seconds; days are those of UTC"

// Reads a time in one of the allowed forms as Unix seconds. False: it is not one.
bool when_read(const char *text, int64_t now_s, int64_t *out_s);

#endif
