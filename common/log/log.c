// SPDX-License-Identifier: MIT
// log.c — one line per fact on stderr.

#include "common/log/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/log/journal.h"
#include "common/log/log_json.h"

#define LINE_BYTES  4096 // PIPE_BUF: what is written to a pipe as a whole
#define QUOTE_BYTES 200
#define N_QUOTES    8

static char role_name[32] = "posthorn";
static int debug_on;
static bool json_on;
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

void log_set_json(bool on)
{
    json_on = on;
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

static void put_time(char *to, size_t room)
{
    struct timespec now;
    struct tm utc;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    n = strftime(to, room, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(to + n, room - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

static size_t text_line(const struct log_line *l, char *to, size_t room)
{
    int n =
        snprintf(to, room, "time=%s level=%s role=%s pid=%d msg=\"%s\"%s%.*s",
                 l->time, l->level, l->role, l->pid, l->msg,
                 l->fields.n_bytes > 0 ? " " : "", STR_ARG(l->fields));

    return n > 0 && (size_t)n < room ? (size_t)n : room - 1;
}

// The whole line in one write, so that the lines of several processes do not
// mix.
__attribute__((format(printf, 4, 0))) static void
put_line(enum journal_priority priority, const char *level, const char *msg,
         const char *fields, va_list args)
{
    struct log_line l = {
        .level = level, .role = role_name, .pid = (int)getpid(), .msg = msg
    };
    char time[32], text[LINE_BYTES], line[LINE_BYTES];
    size_t n =
        (size_t)snprintf(line, sizeof(line), "%s", journal_prefix(priority));
    size_t room = sizeof(line) - n - 1;
    ssize_t written;
    int put;

    put_time(time, sizeof(time));
    l.time = time;
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): every caller did
    put = vsnprintf(text, sizeof(text), fields, args);
    if (put > 0) {
        l.fields.at = text;
        l.fields.n_bytes =
            (size_t)put < sizeof(text) ? (size_t)put : sizeof(text) - 1;
    }
    n += json_on ? log_json(&l, line + n, room) : text_line(&l, line + n, room);
    line[n++] = '\n';
    written = write(STDERR_FILENO, line, n);
    (void)written; // there is nobody to report it to
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
