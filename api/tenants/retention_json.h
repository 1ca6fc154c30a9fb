// SPDX-License-Identifier: MIT
// retention_json.h — how long an organization's history is kept, in answers.

#ifndef API_TENANTS_RETENTION_JSON_H
#define API_TENANTS_RETENTION_JSON_H

#include "common/config/config.h"
#include "common/encoding/json_writer.h"
#include "queue/queue.h"

// Writes what applies to an organization that has `own`: the settings, or less, and whether
// it is its own. `member` is NULL outside of an object.
void retention_print(const struct config *config,
                     const struct org_retention *own, const char *member,
                     struct json_writer *w);

#endif
