// SPDX-License-Identifier: MIT
// backlog_json.h — how full an organization's quota is, as JSON.

#ifndef API_CORE_BACKLOG_JSON_H
#define API_CORE_BACKLOG_JSON_H

#include "common/encoding/json_writer.h"
#include "common/messages/backlog.h"

struct api;
struct config;

// Puts the members that say how full an organization's quota is into the open object.
void backlog_put_org(const struct api *api, const struct org_backlog *b,
                     struct json_writer *w);

// Computes the organization's share of the quota as of now.
void backlog_share_now(const struct config *config, const struct org_backlog *b,
                       struct backlog_share *out);

#endif
