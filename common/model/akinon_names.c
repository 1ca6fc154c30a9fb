// SPDX-License-Identifier: MIT
// akinon_names.c — names of Akinon App Maker: paths, ids, events.

#include "common/model/akinon_names.h"

#include <stddef.h>

#include "common/base/text.h"
#include "common/model/event_kinds.h"

#define SEGMENTS_MAX 5

bool akinon_take_path(struct str *path)
{
    static const struct str version = { "/api/v1", 7 };
    struct str rest = *path;

    if (str_starts(rest, version)) {
        rest.at += version.n_bytes;
        rest.n_bytes -= version.n_bytes;
    }
    if (!str_starts(rest, STR("/organizations/")))
        return false;
    *path = rest;
    return true;
}

bool akinon_is_id(struct str id)
{
    if (id.n_bytes != AKINON_ID_BYTES)
        return false;
    for (size_t i = 0; i < id.n_bytes; i++) {
        if (text_hex_value(id.at[i]) < 0)
            return false;
    }
    return true;
}

void akinon_lower_id(struct str id, char out[AKINON_ID_BYTES])
{
    for (size_t i = 0; i < AKINON_ID_BYTES; i++) {
        out[i] = id.at[i];
        if (id.at[i] >= 'A' && id.at[i] <= 'F')
            out[i] |= 0x20; // the bit of lower case
    }
}

bool akinon_is_event(struct str event)
{
    size_t n_segments = kind_segments(event);

    for (size_t i = 0; i < event.n_bytes; i++) {
        if ((event.at[i] >= 'A' && event.at[i] <= 'Z') || event.at[i] == '/' ||
            event.at[i] == ':')
            return false;
    }
    return event.n_bytes <= KIND_MAX_BYTES && n_segments >= 1 &&
           n_segments <= SEGMENTS_MAX;
}
