// SPDX-License-Identifier: MIT
// notify.c — tells a service manager how the engine is.
//
// Happy path: one datagram for each text, sent without waiting.
//
// If the manager's queue is full: the text is kept, and sent with a later beat.
// If the kept texts do not fit any more: the oldest is dropped; the newest tells the
// current state.

#include "engine/supervisor/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"

#define EXTEND_EVERY_US INT64_C(5000000)
#define EXTEND_BY_US    INT64_C(60000000)
#define PATIENCE_US     INT64_C(30000000) // without a watchdog

// Reads a path, or "@name": an abstract name, which is in no file system.
static bool read_address(const char *text, struct notify *n)
{
    size_t n_bytes = strlen(text);

    if ((text[0] != '/' && text[0] != '@') || n_bytes < 2 ||
        n_bytes >= sizeof(n->to.sun_path))
        return false;
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, text, n_bytes + 1);
    n->to_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n_bytes);
    if (text[0] == '@') {
        n->to.sun_path[0] = '\0';
    } else {
        n->to_bytes++;
    }
    return true;
}

// The manager's watchdog time, if it is meant for this process and not for its parent.
static int64_t read_watchdog(void)
{
    const char *text = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    char *end;
    long long us;

    if (text == NULL ||
        (pid != NULL && strtoll(pid, NULL, 10) != (long long)getpid()))
        return 0;
    errno = 0;
    us = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || us <= 0) {
        log_warn("WATCHDOG_USEC must be a time in microseconds; it is ignored",
                 "text=%s", log_quote(str_of(text)));
        return 0;
    }
    return us;
}

void notify_open(struct notify *n)
{
    const char *text = getenv("NOTIFY_SOCKET");

    *n = (struct notify){ .fd = -1 };
    if (text != NULL && text[0] != '\0') {
        if (!read_address(text, n)) {
            log_warn(
                "NOTIFY_SOCKET must be the address of a socket; it is ignored",
                "text=%s", log_quote(str_of(text)));
        } else {
            n->fd =
                socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            if (n->fd < 0) {
                log_warn("a socket to the service manager cannot be opened",
                         "errno=%d", errno);
            }
        }
    }
    if (n->fd >= 0)
        n->watchdog_us = read_watchdog();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static bool send_text(struct notify *n, const char *text, size_t n_bytes)
{
    ssize_t sent;

    do {
        sent = sendto(n->fd, text, n_bytes, MSG_NOSIGNAL,
                      (const struct sockaddr *)&n->to, n->to_bytes);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        n->is_blocked = false;
        return true;
    }
    if (!n->is_blocked) {
        log_warn("a message to the service manager cannot be sent", "errno=%d",
                 errno);
        n->is_blocked = true;
    }
    return false;
}

static void forget_oldest(struct notify *n)
{
    size_t n_gone = strlen(n->texts) + 1;

    n->n_bytes -= n_gone;
    memmove(n->texts, n->texts + n_gone, n->n_bytes);
}

static void flush(struct notify *n)
{
    while (n->n_bytes > 0 && send_text(n, n->texts, strlen(n->texts)))
        forget_oldest(n);
}

void notify_tell(struct notify *n, const char *format, ...)
{
    char text[NOTIFY_TEXTS_BYTES / 4];
    va_list args;
    size_t n_bytes;

    if (n->fd < 0)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    n_bytes = strlen(text) + 1;
    while (n->n_bytes + n_bytes > sizeof(n->texts))
        forget_oldest(n);
    memcpy(n->texts + n->n_bytes, text, n_bytes);
    n->n_bytes += n_bytes;
    flush(n);
}

void notify_reloading(struct notify *n)
{
    notify_tell(n, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
}

void notify_extend(struct notify *n)
{
    int64_t now_us = clock_mono_us();

    if (n->fd < 0 ||
        (n->extended_us != 0 && now_us - n->extended_us < EXTEND_EVERY_US))
        return;
    n->extended_us = now_us;
    notify_tell(n, "EXTEND_TIMEOUT_USEC=%" PRId64, EXTEND_BY_US);
}

void notify_beat(struct notify *n, bool is_alive)
{
    static const char feed[] = "WATCHDOG=1\n";
    int64_t now_us = clock_mono_us();

    if (n->fd < 0)
        return;
    flush(n);
    if (n->watchdog_us > 0 && is_alive &&
        (n->fed_us == 0 || now_us - n->fed_us >= n->watchdog_us / 3) &&
        send_text(n, feed, sizeof(feed) - 1))
        n->fed_us = now_us;
}

int64_t notify_patience_us(const struct notify *n)
{
    return n->watchdog_us > 0 ? n->watchdog_us / 2 : PATIENCE_US;
}
