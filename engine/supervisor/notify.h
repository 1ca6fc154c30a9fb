// SPDX-License-Identifier: MIT
// notify.h — tells a service manager how the engine is, as sd_notify(3) does.
//
// The manager names a datagram socket in NOTIFY_SOCKET, and in WATCHDOG_USEC how often
// it must hear that the program works. Without NOTIFY_SOCKET nothing is sent. A text
// that cannot be sent at once is tried again with each notify_beat().

#ifndef ENGINE_SUPERVISOR_NOTIFY_H
#define ENGINE_SUPERVISOR_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_TEXTS_BYTES 2048

// Closed to other rooms.
struct notify {
    int fd; // -1: there is no manager to notify
    struct sockaddr_un to;
    socklen_t to_bytes;
    int64_t watchdog_us;            // 0: there is no watchdog
    int64_t fed_us;                 // when WATCHDOG=1 was last sent
    int64_t extended_us;            // when a time limit was last extended
    bool is_blocked;                // a text could not be sent; logged once
    size_t n_bytes;                 // of `texts`
    char texts[NOTIFY_TEXTS_BYTES]; // texts not sent yet, each with its NUL
};

// Reads the variables and removes them from the environment, so that children do not
// know of the socket.
void notify_open(struct notify *n);

// Sends assignments such as "READY=1\nSTATUS=all roles work", after texts that are not
// sent yet.
void notify_tell(struct notify *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Sends RELOADING=1 with the current time, which the manager compares with the READY=1
// that follows.
void notify_reloading(struct notify *n);

// Extends the manager's time limit, at most every few seconds: the start goes on, and
// may take longer than the manager would wait.
void notify_extend(struct notify *n);

// To be called every PULSE_EVERY_MS: sends texts that are not sent yet, and, while
// `is_alive`, WATCHDOG=1 each time a third of the watchdog's time has passed.
void notify_beat(struct notify *n, bool is_alive);

// How long a role may be without a sign of life before the watchdog is no longer fed,
// and a start no longer extended.
int64_t notify_patience_us(const struct notify *n);

#endif
