// SPDX-License-Identifier: MIT
// control_socket.h — messages between the supervisor and a role.
//
// A unix socket of whole packets (SOCK_SEQPACKET): one message per packet, with at
// most one file descriptor. Messages are small and rare; both ends send without
// blocking.

#ifndef COMMON_PROCESS_CONTROL_SOCKET_H
#define COMMON_PROCESS_CONTROL_SOCKET_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/process/blame.h"

#define CONTROL_FD     3 // a role's end of the socket
#define METRICS_FD     4 // the board of metrics; for a sender: its own page
#define ROLE_LISTEN_FD 5 // a listening socket, if the role listens
#define BLAME_FD       6 // the page of its notes
#define TLS_FD         7 // what its listener needs to speak TLS (tls_bundle.h)
#define PAGES_FD       8 // the first of all pages of metrics; senders: none

// Environment variables that the supervisor sets for a role.
#define CONTROL_ENV_SOURCES "POSTHORN_ROLE_SOURCES" // config file, sets: lines
#define CONTROL_ENV_SLOT    "POSTHORN_ROLE_SLOT"    // of the metrics page
#define CONTROL_ENV_ACCOUNT \
    "POSTHORN_ROLE_ACCOUNT" // the user it switches to; unset: none
#define CONTROL_ENV_TLS "POSTHORN_ROLE_TLS" // set: there is a TLS_FD
#define CONTROL_ENV_CONNECTS \
    "POSTHORN_ROLE_CONNECTS" // how connections are guarded (sandbox.h)

enum control_type {
    CONTROL_READY = 1,  // role: it works
    CONTROL_LINK = 2,   // supervisor: a socket to the neighbour `kind`, `index`
    CONTROL_RELOAD = 3, // supervisor: read the settings again, their
                        // file through the descriptor
    CONTROL_DRAIN = 4,  // supervisor: finish and exit
    CONTROL_NO_LINK = 5, // role: a socket did not arrive, or is closed
    CONTROL_ENDED = 6,   // supervisor: the neighbour `kind`, `index` has died
    CONTROL_TLS = 8,     // supervisor: another TLS_FD, through the descriptor;
                         // a CONTROL_RELOAD follows
    CONTROL_RELOADED =
        7, // role: it has read the settings; if `error` is not 0,
           // it still has the old ones
    CONTROL_CONNECTS =
        9,             // sender: from now on its calls of connect() wait for an
                       // answer through the descriptor
    CONTROL_LEAD = 10, // replicator: `error` is an enum lead_order
    CONTROL_STOOD_DOWN = 11 // supervisor to replicator: no role of the lead
                            // runs any more
};

// What the roles of a cluster's lead do on this node.
enum lead_order {
    LEAD_STAND_UP = 1, // start
    LEAD_STAND_DOWN,   // finish their work and end
    LEAD_FALL          // are killed
};

struct control_message {
    uint32_t type; // enum control_type
    uint32_t kind; // enum role_kind
    uint32_t index;
    uint32_t link_no;     // LINK, NO_LINK: counts the links of this pair
    int32_t error;        // NO_LINK: errno; RELOADED
    uint32_t is_own;      // ENDED: it raised the signal itself
    struct blamed blamed; // ENDED: what it was working on
};

// Passes `fd` along unless it is -1; the caller keeps and closes its own. ERR_IO:
// the other side is gone or does not read; errno says which.
MUST_CHECK enum err control_send(int control_fd,
                                 const struct control_message *m, int fd);

// ERR_AGAIN: no message now. ERR_NOTFOUND: the other side is gone. `fd` is -1 or a
// descriptor that the caller must close.
MUST_CHECK enum err control_receive(int control_fd, struct control_message *m,
                                    int *fd);

#endif
