// SPDX-License-Identifier: MIT
// admission.c — whether there is room for a post.

#include "engine/ingest/admission.h"

#include <inttypes.h>

#include "common/config/caps.h"
#include "common/encoding/id.h"
#include "common/http/authentication.h"
#include "common/http/http.h"
#include "common/log/log.h"
#include "common/process/metrics.h"

// A full queue may have room in a moment; a backlog shrinks slowly.
#define SOON    STR("Retry-After: 5\r\n")
#define LATER   STR("Retry-After: 30\r\n")
#define SHORTLY STR("Retry-After: 1\r\n")

void admission_refresh(struct admission *a, const struct config *config,
                       struct event_log *log)
{
    struct buf whose;

    quota_refresh(&a->quota, config, log);
    org_quota_refresh(&a->orgs, config, a->quota.log_bytes);
    if (a->quota.is_full && !a->was_full) {
        buf_init(&whose, 0);
        org_quota_put_fullest(&a->orgs, &whose);
        log_warn("the queue is full; most of it waits for one organization",
                 "organization=%s waiting_bytes=%" PRIu64
                 " used_bytes=%" PRIu64,
                 log_quote(buf_str(&whose)), a->orgs.waiting_bytes,
                 a->quota.used_bytes);
        buf_clear(&whose);
    }
    a->was_full = a->quota.is_full;
}

static bool check_queue(struct admission *a, struct http_request *r,
                        enum dialect dialect, struct str org)
{
    bool is_disk_full = a->quota.is_disk_full;
    struct buf whose;

    if (!a->quota.is_full)
        return true;
    metrics_count(
        is_disk_full ? COUNTER_REFUSED_STORAGE : COUNTER_REFUSED_QUOTA, 1);
    buf_init(&whose, 0);
    org_quota_put_share(&a->orgs, a->quota.used_bytes, dialect, org, &whose);
    http_fail(r, 503, SOON, "%s%s; post again later",
              is_disk_full ? "the disk is nearly full"
                           : "the queue is at its quota",
              buf_cstr(&whose));
    buf_clear(&whose);
    return false;
}

bool admission_check(struct admission *a, const struct config *config,
                     struct http_request *r, enum dialect dialect,
                     struct str org)
{
    struct buf why;
    bool is_good;

    if (!check_queue(a, r, dialect, org))
        return false;
    buf_init(&why, 0);
    is_good = org_quota_admits(&a->orgs, config, dialect, org, &why);
    if (!is_good) {
        metrics_count(COUNTER_REFUSED_ORG_QUOTA, 1);
        http_fail(r, 503, LATER, "%s; post again later", buf_cstr(&why));
    }
    buf_clear(&why);
    return is_good;
}

bool admission_hold(struct admission *a, const struct config *config,
                    struct http_request *r, const struct auth_grant *grant)
{
    struct share_limit limit = cap_limit(config, CAP_REQUESTS);
    struct str org = { grant->org, grant->n_org_bytes };
    uint64_t holder_no =
        grant->is_admin ? SHARE_ADMIN
                        : org_quota_number(&a->orgs, token_dialect(org), org);
    enum share share = http_hold(r, holder_no, &limit);
    struct buf why;

    if (share == SHARE_THERE)
        return true;
    metrics_count(COUNTER_REFUSED_ORG_REQUESTS, 1);
    buf_init(&why, 0);
    cap_put_why(config, CAP_REQUESTS, share, &why);
    http_fail(r, 429, SHORTLY, "%s", buf_cstr(&why));
    buf_clear(&why);
    return false;
}

bool admission_check_answer_room(struct http_request *r, size_t n_events)
{
    size_t n_bytes = n_events * (ID_TEXT_BYTES + 3); // "id",

    if (n_bytes <= HTTP_SMALL_BYTES || n_bytes <= r->body.n_bytes ||
        http_has_room(r, n_bytes - r->body.n_bytes))
        return true;
    http_fail(r, 503, STR("Retry-After: 1\r\n"),
              "too much memory is held for clients that read slowly "
              "(max_buffered_bytes); nothing was stored, post again later");
    return false;
}
