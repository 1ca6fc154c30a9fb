// SPDX-License-Identifier: MIT
// notify.h — tells a service manager how the engine is, as sd_notify(3) does.
//
// The manager names a datagram socket in NOTIFY_SOCKET, and in WATCHDOG_USEC how
// often it wants to hear that the program works. Without the first, nothing is
// said. What cannot be sent at once is tried again with each notify_beat().

#ifndef ENGINE_SUPERVISOR_NOTIFY_H
#define ENGINE_SUPERVISOR_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_TEXTS_BYTES 2048

struct notify {
    int fd; // -1: nobody wants to know
    struct sockaddr_un to;
    socklen_t to_bytes;
    int64_t watchdog_us;            // 0: none is wanted
    int64_t fed_us;                 // when WATCHDOG=1 was last sent
    int64_t extended_us;            // when a time limit was last extended
    bool is_blocked;                // a text did not leave, which is said once
    size_t n_bytes;                 // of `texts`
    char texts[NOTIFY_TEXTS_BYTES]; // what has not left yet, each with its NUL
};

// Reads the variables and removes them from the environment: children are to know
// nothing of the socket.
void notify_open(struct notify *n);

// Sends assignments such as "READY=1\nSTATUS=all roles work", after what has not
// left yet.
void notify_tell(struct notify *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// RELOADING=1 with the time of now, which the manager compares with the READY=1
// that follows it.
void notify_reloading(struct notify *n);

// At most every few seconds: the start goes on, and may take longer than the manager
// would wait.
void notify_extend(struct notify *n);

// Every PULSE_EVERY_MS: sends what has not left; while `is_alive`, also WATCHDOG=1
// once a third of its time has passed.
void notify_beat(struct notify *n, bool is_alive);

// How long a role may be without a sign of life before the watchdog is not fed, and a
// start not extended any more.
int64_t notify_patience_us(const struct notify *n);

#endif
