// SPDX-License-Identifier: MIT
// journal.h — whether stderr goes to systemd's journal, and the priority of lines
// there.

#ifndef COMMON_LOG_JOURNAL_H
#define COMMON_LOG_JOURNAL_H

#include <stdbool.h>

// Priorities as syslog and the journal number them.
enum journal_priority {
    JOURNAL_CRIT = 2,
    JOURNAL_ERR = 3,
    JOURNAL_WARNING = 4,
    JOURNAL_INFO = 6,
    JOURNAL_DEBUG = 7
};

// The prefix of a line on stderr: "<4>" and the like if stderr goes to the journal,
// else "". stderr is examined once for the whole process.
const char *journal_prefix(enum journal_priority priority);

// Writes text of one or more lines on stderr, each with its prefix.
void journal_put(enum journal_priority priority, const char *text);

#endif
