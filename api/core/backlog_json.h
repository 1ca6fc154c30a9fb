// SPDX-License-Identifier: MIT
// backlog_json.h — how full an organization's quota is, as JSON.

#ifndef API_CORE_BACKLOG_JSON_H
#define API_CORE_BACKLOG_JSON_H

#include "common/base/buf.h"
#include "common/messages/backlog.h"

struct api;
struct config;

// Appends the members that say how full an organization's quota is, with commas between
// them and none before the first.
void backlog_put_org(const struct api *api, const struct org_backlog *b,
                     struct buf *out);

// Computes the organization's share of the quota as of now.
void backlog_share_now(const struct config *config, const struct org_backlog *b,
                       struct backlog_share *out);

#endif
