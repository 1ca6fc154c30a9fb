// log.c — one line per fact on stderr.

#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/journal.h"

#define LINE_BYTES  2048
#define QUOTE_BYTES 200
#define N_QUOTES    8

static char role_name[32] = "posthorn";
static int debug_on;
static volatile int fatal_status = 1;

void log_role(const char *role)
{
    snprintf(role_name, sizeof(role_name), "%s", role);
}

void log_set_fatal_status(int status)
{
    fatal_status = status;
}

void log_set_debug(int on)
{
    debug_on = on;
}

const char *log_quote(struct str s)
{
    static _Thread_local char slots[N_QUOTES][QUOTE_BYTES * 4 + 8];
    static _Thread_local unsigned next;
    char *slot = slots[next++ % N_QUOTES];
    char *to = slot;

    *to++ = '"';
    for (size_t i = 0; i < s.n_bytes && i < QUOTE_BYTES; i++) {
        unsigned char c = (unsigned char)s.at[i];

        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c >= 0x20 && c < 0x7f) {
            *to++ = (char)c;
        } else {
            to += snprintf(to, 5, "\\x%02x", c);
        }
    }
    if (s.n_bytes > QUOTE_BYTES) {
        *to++ = '.';
        *to++ = '.';
    }
    *to++ = '"';
    *to = '\0';
    return slot;
}

// The priority, for the journal alone, and the time.
static size_t put_start(char *line, size_t room, enum journal_priority priority)
{
    struct timespec now;
    struct tm utc;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    n = (size_t)snprintf(line, room, "%s", journal_prefix(priority));
    n += strftime(line + n, room - n, "time=%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, room - n, ".%03dZ",
                          (int)(now.tv_nsec / 1000000));
    return n;
}

// The whole line in one write, so that the lines of several processes do not
// mix.
__attribute__((format(printf, 4, 0))) static void
put_line(enum journal_priority priority, const char *level, const char *msg,
         const char *fields, va_list args)
{
    char line[LINE_BYTES];
    size_t room = sizeof(line) - 1;
    size_t n = put_start(line, room, priority);
    ssize_t written;
    int put;

    put = snprintf(line + n, room - n, " level=%s role=%s pid=%d msg=\"%s\"",
                   level, role_name, (int)getpid(), msg);
    n += (size_t)put < room - n ? (size_t)put : room - n - 1;
    if (fields[0] != '\0' && n < room - 1) {
        line[n++] = ' ';
        // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): every caller did
        put = vsnprintf(line + n, room - n, fields, args);
        if (put > 0)
            n += (size_t)put < room - n ? (size_t)put : room - n - 1;
    }
    line[n++] = '\n';
    written = write(STDERR_FILENO, line, n);
    (void)written; // nobody left to tell
}

#define PUT_LINE(priority, level)                     \
    do {                                              \
        va_list args;                                 \
        va_start(args, fields);                       \
        put_line(priority, level, msg, fields, args); \
        va_end(args);                                 \
    } while (0)

void log_debug(const char *msg, const char *fields, ...)
{
    if (debug_on)
        PUT_LINE(JOURNAL_DEBUG, "debug");
}

void log_info(const char *msg, const char *fields, ...)
{
    PUT_LINE(JOURNAL_INFO, "info");
}

void log_warn(const char *msg, const char *fields, ...)
{
    PUT_LINE(JOURNAL_WARNING, "warn");
}

void log_fatal(const char *msg, const char *fields, ...)
{
    PUT_LINE(JOURNAL_ERR, "fatal");
    _exit(fatal_status); // not exit(): LMDB environments must not be torn down
}

void log_panic(const char *msg, const char *fields, ...)
{
    PUT_LINE(JOURNAL_CRIT, "panic");
    abort();
}
