// SPDX-License-Identifier: MIT
// role_kind.c — the kinds of processes, and their names.

#include "common/process/role_kind.h"

#include <stdio.h>

const char *role_name(enum role_kind kind)
{
    static const char *const names[ROLES] = {
        [ROLE_SETUP] = "setup",
        [ROLE_INGEST] = "ingest",
        [ROLE_DISPATCHER] = "dispatcher",
        [ROLE_SENDER] = "sender",
        [ROLE_API] = "api",
        [ROLE_EXPORTER] = "exporter",
        [ROLE_RELAY] = "relay",
        [ROLE_REPLICATOR] = "replicator",
    };

    return names[kind];
}

bool role_is_many(enum role_kind kind)
{
    return kind == ROLE_DISPATCHER || kind == ROLE_SENDER || kind == ROLE_RELAY;
}

bool role_is_outward(enum role_kind kind)
{
    return kind == ROLE_SENDER || kind == ROLE_EXPORTER || kind == ROLE_RELAY;
}

void role_label(enum role_kind kind, unsigned index, char out[ROLE_LABEL_BYTES])
{
    snprintf(out, ROLE_LABEL_BYTES, role_is_many(kind) ? "%s.%u" : "%s",
             role_name(kind), index);
}
