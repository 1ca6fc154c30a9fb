// SPDX-License-Identifier: MIT
// control_socket.h — what the supervisor and a role say to each other.
//
// A unix socket of whole packets (SOCK_SEQPACKET): one message a packet, with
// at most one file descriptor. Messages are small and rare; both ends send
// without waiting.

#ifndef COMMON_PROCESS_CONTROL_SOCKET_H
#define COMMON_PROCESS_CONTROL_SOCKET_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/process/blame.h"

#define CONTROL_FD 3 // where a role finds its end
#define METRICS_FD 4 // and the board of metrics; a sender: its page of them
#define BLAME_FD   6 // and the page of its notes; 5 is a listening socket
#define PAGES_FD   7 // and the first of all pages of metrics; a sender: none

// Environment variables that a role is started with.
#define CONTROL_ENV_SOURCES "POSTHORN_ROLE_SOURCES" // config file, sets: lines
#define CONTROL_ENV_SLOT    "POSTHORN_ROLE_SLOT"    // of the metrics page
#define CONTROL_ENV_ACCOUNT \
    "POSTHORN_ROLE_ACCOUNT" // whom it becomes; none: nobody

enum control_type {
    CONTROL_READY = 1,   // role: I work
    CONTROL_LINK = 2,    // supervisor: a socket to neighbour kind, index
    CONTROL_RELOAD = 3,  // supervisor: read the settings again, the
                         // file of them through the descriptor
    CONTROL_DRAIN = 4,   // supervisor: finish and exit
    CONTROL_NO_LINK = 5, // role: the socket to kind, index did not arrive, or
                         // is closed
    CONTROL_ENDED = 6,   // supervisor: neighbour kind, index has died
    CONTROL_RELOADED = 7 // role: I have read the settings; `error` is not 0 if
                         // mine are still the old ones
};

struct control_message {
    uint32_t type; // enum control_type
    uint32_t kind; // enum role_kind
    uint32_t index;
    uint32_t link_no;     // LINK, NO_LINK: which one of this pair
    int32_t error;        // NO_LINK: errno; RELOADED
    uint32_t is_own;      // ENDED: by a signal that it raised itself
    struct blamed blamed; // ENDED: what it was working on
};

// `fd` is passed along unless it is -1; the caller keeps and closes its own.
// ERR_IO: the other side is gone or does not read; errno says which.
MUST_CHECK enum err control_send(int control_fd,
                                 const struct control_message *m, int fd);

// ERR_AGAIN: nothing there now. ERR_NOTFOUND: the other side is gone. `fd` is
// -1 or a descriptor that is the caller's to close.
MUST_CHECK enum err control_receive(int control_fd, struct control_message *m,
                                    int *fd);

#endif
