// SPDX-License-Identifier: MIT
// removal.c — what is removed from a dispatcher's shard: what is past retention, and what
// it has of an organization that is erased.

#include "engine/dispatcher/removal/removal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/process/cautious_clock.h"
#include "common/process/role.h"
#include "engine/dispatcher/record/storage.h"
#include "engine/dispatcher/removal/leaving.h"
#include "engine/dispatcher/removal/org_keep.h"
#include "engine/dispatcher/removal/payload_orders.h"
#include "engine/dispatcher/removal/unlisting.h"

#define TRIM_ROWS     1000 // rows removed in one step
#define TRIM_PAUSE_MS 10   // between two steps, while there is more to remove

// Closed to other rooms.
struct removal {
    struct cautious_clock clock; // tells retention what may be removed
    uv_timer_t timer;
    struct leaving leaving;
    struct org_keep orgs; // with a retention of their own
    struct unlisting unlisting;
    bool has_more_listed; // rows of the list of events to delete
    struct payload_orders payloads;
    bool has_payloads; // the step that is under way erases payloads
    bool is_under_way; // the shard removes
};

static void on_trimmed(void *data, bool has_more);

static void trim(struct dispatcher *d)
{
    struct removal *r = d->removal;
    const struct config *c = d->config;
    int64_t now_us = cautious_clock_read_us(&r->clock);
    struct shard_retention keep = {
        .now_us = now_us,
        .delivered_before_us = now_us - c->retention_delivered_ms * 1000,
        .dead_before_us = now_us - c->retention_dead_ms * 1000,
        .max_bytes = config_retention_bytes(c) / d->n_shards,
    };

    if (d->is_draining || r->is_under_way)
        return;
    r->has_more_listed =
        storage_has_room(d) &&
        unlisting_work(d, &r->unlisting,
                       keep.dead_before_us < keep.delivered_before_us
                           ? keep.dead_before_us
                           : keep.delivered_before_us);
    org_keep_refresh(d, &r->orgs, now_us);
    keep.orgs = r->orgs.at;
    keep.n_orgs = r->orgs.n;
    keep.erasure = leaving_what(d, &r->leaving);
    keep.payloads = payload_orders_what(d, &r->payloads);
    r->has_payloads = keep.payloads != NULL;
    r->is_under_way = shard_trim(d->shard, &keep, TRIM_ROWS, on_trimmed, d);
}

static void on_timer(uv_timer_t *timer)
{
    trim(timer->data);
}

static void on_trimmed(void *data, bool has_more)
{
    struct dispatcher *d = data;

    d->removal->is_under_way = false;
    if (d->removal->has_payloads && !has_more)
        payload_orders_end(&d->removal->payloads);
    storage_refresh(d);
    if (has_more || d->removal->has_more_listed)
        uv_timer_start(&d->removal->timer, on_timer, TRIM_PAUSE_MS, 0);
}

void removal_on_second(struct dispatcher *d)
{
    if (!d->removal->is_under_way) {
        leaving_on_second(d, &d->removal->leaving);
        payload_orders_on_second(d, &d->removal->payloads);
    }
    trim(d);
}

void removal_init(struct dispatcher *d)
{
    d->removal = xcalloc(1, sizeof(*d->removal));
    cautious_clock_init(&d->removal->clock, shard_clock_ms(d->shard) * 1000,
                        clock_now_us(), clock_mono_us());
    uv_timer_init(role_loop(d->role), &d->removal->timer);
    d->removal->timer.data = d;
}
