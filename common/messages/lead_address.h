// SPDX-License-Identifier: MIT
// lead_address.h — where the node that leads a cluster listens.
//
// The replicator sends it to each relay when the link is made, and again whenever it
// changes.

#ifndef COMMON_MESSAGES_LEAD_ADDRESS_H
#define COMMON_MESSAGES_LEAD_ADDRESS_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

struct sockaddr_storage;

#define LEAD_ADDRESS_MAX_BYTES 64 // of the text of an address

// Addresses as the settings have them: numbers, no names, such as "10.0.0.1:8080" or
// "[fd00::1]:8080". Both are empty if no lead is known.
struct lead_address {
    struct str api, ingest;
    // Its servers believe this node's PROXY headers (http.h): the relay sends them.
    bool wants_clients;
};

// Appends a frame's content. The addresses must be as described above.
void lead_address_pack(struct buf *frame, const struct lead_address *from);

// ERR_CORRUPT: it is no such frame, or an address is not as described above. The texts
// are borrowed from the frame.
MUST_CHECK enum err lead_address_unpack(struct str frame,
                                        struct lead_address *out);

// The socket address of a text that is not empty. ERR_INVALID: it is not an address.
MUST_CHECK enum err lead_address_read(struct str text,
                                      struct sockaddr_storage *out);

#endif
