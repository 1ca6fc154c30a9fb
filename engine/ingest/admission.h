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

struct admission {
    struct quota quota;
    struct org_quota orgs;
    bool was_full; // and it is logged whose backlog fills it
};

// Every second.
void admission_look(struct admission *a, const struct config *config,
                    struct event_log *log);

// False: there is none for this organization's; answered with 503 and whose
// backlog it is.
bool admission_judge(struct admission *a, const struct config *config,
                     struct http_request *r, enum family family,
                     struct str org);

// The request is in work for the organization of its token from now on, or for the admin
// token. False: that would be too many; answered with 429.
bool admission_hold(struct admission *a, const struct config *config,
                    struct http_request *r, const struct auth_grant *grant);

// Once the events of a batch are stored, the answer with their ids must be given: is
// there room for it, in the body's place? False: answered with 503.
bool admission_judge_answer(struct http_request *r, size_t n_events);

#endif
