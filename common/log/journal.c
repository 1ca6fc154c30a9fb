// SPDX-License-Identifier: MIT
// journal.c — whether stderr goes to systemd's journal.

#include "common/log/journal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Reads digits up to `end`. False: there is anything else.
static bool read_number(const char **text, char end, unsigned long long *out)
{
    char *rest;

    errno = 0;
    *out = strtoull(*text, &rest, 10);
    if ((*text)[0] < '0' || (*text)[0] > '9' || errno != 0 || *rest != end)
        return false;
    *text = rest + (end != '\0');
    return true;
}

// Whether `fd` is the stream that the service manager has connected to the journal:
// JOURNAL_STREAM names its device and inode. False for a terminal or a file, also
// when the variable was inherited from a service.
static bool is_journal_stream(int fd)
{
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return text != NULL && read_number(&text, ':', &device) &&
           read_number(&text, '\0', &inode) && fstat(fd, &st) == 0 &&
           st.st_dev == (dev_t)device && st.st_ino == (ino_t)inode;
}

const char *journal_prefix(enum journal_priority priority)
{
    static atomic_int is_journal = -1; // -1: not looked at yet
    int is = atomic_load_explicit(&is_journal, memory_order_relaxed);

    if (is < 0) {
        is = is_journal_stream(STDERR_FILENO);
        atomic_store_explicit(&is_journal, is, memory_order_relaxed);
    }
    if (is == 0)
        return "";
    switch (priority) {
    case JOURNAL_CRIT:
        return "<2>";
    case JOURNAL_ERR:
        return "<3>";
    case JOURNAL_WARNING:
        return "<4>";
    case JOURNAL_INFO:
        return "<6>";
    case JOURNAL_DEBUG:
        return "<7>";
    }
    return "";
}

void journal_put(enum journal_priority priority, const char *text)
{
    const char *prefix = journal_prefix(priority);

    while (*text != '\0') {
        size_t n_bytes = strcspn(text, "\n");

        n_bytes += text[n_bytes] == '\n';
        fprintf(stderr, "%s%.*s", prefix, (int)n_bytes, text);
        text += n_bytes;
    }
}
