// SPDX-License-Identifier: MIT
// replay.c — replays: what is to be sent once more.

#include "common/model/replay.h"

#include "common/base/codec.h"
#include "common/model/event_kinds.h"

const struct history_filter history_all = { .since_us = INT64_MIN,
                                            .until_us = INT64_MAX };

bool history_wants_kind(const struct history_filter *f, struct str kind)
{
    for (size_t i = 0; i < f->n_kinds; i++) {
        if (kind_matches(kind, f->kinds[i]))
            return true;
    }
    return f->n_kinds == 0;
}

uint64_t replay_tag(const struct id *id)
{
    uint64_t tag = get_be64(id->bytes) ^ get_be64(id->bytes + 8);

    return tag != 0 ? tag : 1;
}
