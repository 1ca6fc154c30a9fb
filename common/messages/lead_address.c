// SPDX-License-Identifier: MIT
// lead_address.c — where the node that leads a cluster listens.

#include "common/messages/lead_address.h"

#include <string.h>
#include <sys/socket.h>

#include "common/base/codec.h"
#include "common/config/config_types.h"
#include "common/process/role.h"

// A frame: its type, both texts with their lengths, and a bool.
_Static_assert(LEAD_FRAME_MAX_BYTES >= 2 + 2 * (2 + LEAD_ADDRESS_MAX_BYTES),
               "the link carries every frame");

static const struct member members[] = {
    MEMBER(struct lead_address, api),
    MEMBER(struct lead_address, ingest),
    MEMBER(struct lead_address, wants_clients),
};

void lead_address_pack(struct buf *frame, const struct lead_address *from)
{
    frame_pack(frame, FRAME_LEAD, MEMBERS(members), from);
}

static bool is_address(struct str text)
{
    struct sockaddr_storage address;

    return lead_address_read(text, &address) == OK;
}

enum err lead_address_unpack(struct str frame, struct lead_address *out)
{
    if (frame_unpack(frame, FRAME_LEAD, MEMBERS(members), out) != OK)
        return ERR_CORRUPT;
    if (out->api.n_bytes == 0 && out->ingest.n_bytes == 0)
        return OK;
    return is_address(out->api) && is_address(out->ingest) ? OK : ERR_CORRUPT;
}

enum err lead_address_read(struct str text, struct sockaddr_storage *out)
{
    char copy[LEAD_ADDRESS_MAX_BYTES + 1];

    if (text.n_bytes == 0 || text.n_bytes > LEAD_ADDRESS_MAX_BYTES ||
        memchr(text.at, '\0', text.n_bytes) != NULL)
        return ERR_INVALID;
    memcpy(copy, text.at, text.n_bytes);
    copy[text.n_bytes] = '\0';
    return config_address(copy, out);
}
