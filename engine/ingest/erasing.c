// SPDX-License-Identifier: MIT
// erasing.c — organizations that are being erased, as intake sees them.
//
// From the commit that begins an erasure on, no event of the organization is appended.
// Those that were on their way to the log then are waited for, so that the walk that
// removes the organization's events finds them all.

#include "engine/ingest/erasing.h"

#include "common/log/log.h"
#include "common/process/metrics.h"

#define TRIM_EVENTS 2000 // events removed in one step

bool ingest_admits_org(struct hook_store *hooks, struct http_request *r,
                       struct str org)
{
    bool is_leaving;

    if (erasure_is_of(hooks, org, &is_leaving) != OK) {
        metrics_count(COUNTER_REFUSED_STORAGE, 1);
        http_fail(r, 503, STR("Retry-After: 1\r\n"),
                  "the storage failed when the organization was looked up; "
                  "nothing was stored, post again");
        return false;
    }
    if (!is_leaving)
        return true;
    metrics_count(COUNTER_REFUSED_CONFLICT, 1);
    http_fail(r, 409, STR_EMPTY,
              "the organization %s is being erased; nothing was stored, post "
              "again when that is done",
              log_quote(org));
    return false;
}

void ingest_erase(struct hook_store *hooks, struct event_log *log)
{
    struct erasure e;
    enum err err = erasure_first(hooks, &e);

    if (err == OK && e.step == ERASE_EVENTS &&
        !event_log_is_awaited(log, erasure_org(&e)))
        err = event_log_erase(log, &e.id, erasure_org(&e));
    if (err != OK && err != ERR_NOTFOUND) {
        log_warn("events of an organization cannot be erased now", "reason=%s",
                 log_quote(str_of(err_str(err))));
    }
}

void ingest_trim(const struct config *config, struct hook_store *hooks,
                 struct event_log *log, int64_t now_us)
{
    int64_t kept_ms = config->retention_dead_ms > config->retention_delivered_ms
                          ? config->retention_dead_ms
                          : config->retention_delivered_ms;
    const struct event_retention keep = { .now_us = now_us,
                                          .before_us = now_us - kept_ms * 1000,
                                          .max_bytes =
                                              config_retention_bytes(config) };
    const struct org_settings own = { .now_us = now_us,
                                      .delivered_ms =
                                          config->retention_delivered_ms,
                                      .dead_ms = config->retention_dead_ms };

    event_log_work_orders(log, hooks);
    event_log_keep_orgs(log, hooks, &own);
    event_log_trim(log, &keep, TRIM_EVENTS);
}
