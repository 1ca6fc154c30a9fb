// SPDX-License-Identifier: MIT
// event.c — an event, and its position in the event log.

#include "common/model/event.h"

#include <string.h>

#include "common/base/arena.h"

const struct position position_start = { { 0 } };
const struct position position_end = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                         0xff, 0xff } };

bool position_is_stored(struct position position)
{
    return position_cmp(position, position_start) != 0 &&
           position_cmp(position, position_end) != 0;
}

int position_cmp(struct position a, struct position b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

struct event event_copy(struct arena *arena, const struct event *event)
{
    struct event copy = *event;
    struct str *texts[] = { &copy.kind,  &copy.org,  &copy.project,
                            &copy.stack, &copy.env,  &copy.payload,
                            &copy.cloud, &copy.trace };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = arena_copy(arena, *texts[i]);
    return copy;
}
