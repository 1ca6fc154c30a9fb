// SPDX-License-Identifier: MIT
// admission.h — whether there is room for a post: on the disk, in the queue, and in
// its organization's share of it.

#ifndef ENGINE_INGEST_ADMISSION_H
#define ENGINE_INGEST_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/ingest/org_quota.h"
#include "engine/ingest/quota.h"

struct auth_grant;
struct http_request;

// Closed to other rooms.
struct admission {
    struct quota quota;
    struct org_quota orgs;
    bool was_full; // the queue was full; whose backlog fills it has been logged
};

// Checks quotas again. To be called every second.
void admission_refresh(struct admission *a, const struct config *config,
                       struct event_log *log);

// Whether there is room for a post of this organization. False: answered with 503,
// which says whose backlog fills the room.
bool admission_check(struct admission *a, const struct config *config,
                     struct http_request *r, enum dialect dialect,
                     struct str org);

// Counts the request as in work for the organization of its token, or for the admin
// token. False: too many are in work; answered with 429.
bool admission_hold(struct admission *a, const struct config *config,
                    struct http_request *r, const struct auth_grant *grant);

// Whether there will be room for the answer with the ids, which must be given once the
// events of a batch are stored. It takes the place of the body. False: answered with
// 503.
bool admission_check_answer_room(struct http_request *r, size_t n_events);

#endif
