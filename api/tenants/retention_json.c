// SPDX-License-Identifier: MIT
// retention_json.c — how long an organization's history is kept, in answers.

#include "api/tenants/retention_json.h"

#include "common/config/config_types.h"

static void put_duration(struct json_writer *w, const char *member, int64_t ms)
{
    config_put_duration(ms, json_open_text(w, member));
    json_close_text(w);
}

void retention_print(const struct config *config,
                     const struct org_retention *own, const char *member,
                     struct json_writer *w)
{
    json_open_object(w, member);
    put_duration(w, "delivered",
                 org_retention_applies(own->delivered_ms,
                                       config->retention_delivered_ms));
    put_duration(
        w, "dead",
        org_retention_applies(own->dead_ms, config->retention_dead_ms));
    json_put_bool(w, "own", own->delivered_ms > 0 || own->dead_ms > 0);
    json_close(w);
}
