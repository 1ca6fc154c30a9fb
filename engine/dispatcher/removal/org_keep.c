// SPDX-License-Identifier: MIT
// org_keep.c — the organizations that have a retention of their own, in memory.

#include "engine/dispatcher/removal/org_keep.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/log/log.h"

static bool on_value(void *data, const struct org_value *value)
{
    struct org_keep *k = data;
    struct org_retention kept;

    if (org_retention_read(value->bytes, &kept) == OK &&
        kept.delivered_ms == 0 && kept.dead_ms == 0)
        return true; // it had one once
    if (org_retention_read(value->bytes, &kept) != OK) {
        log_warn("the retention of an organization is damaged; that of the "
                 "settings applies",
                 "");
        return true;
    }
    if (k->n == k->room) {
        k->room = k->room > 0 ? k->room * 2 : 16;
        k->entries = xrealloc(k->entries, k->room * sizeof(*k->entries));
        k->at = xrealloc(k->at, k->room * sizeof(*k->at));
    }
    k->entries[k->n] =
        (struct org_keep_entry){ .org_no = value->org_no, .kept = kept };
    k->at[k->n++] = (struct shard_org_retention){ .org_no = value->org_no };
    return true;
}

// The entry of an organization; k->n: it has none.
static size_t find(const struct org_keep *k, uint64_t org_no)
{
    size_t low = 0;
    size_t high = k->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (k->entries[middle].org_no < org_no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < k->n && k->entries[low].org_no == org_no ? low : k->n;
}

// What was looked at stays so: only what comes later is to be removed.
static void keep_marks(const struct org_keep *old, struct org_keep *fresh)
{
    for (size_t i = 0; i < fresh->n; i++) {
        size_t at = find(old, fresh->at[i].org_no);

        if (at < old->n)
            fresh->at[i] = old->at[at];
    }
}

static void read_anew(struct dispatcher *d, struct org_keep *k)
{
    struct org_keep fresh = { .is_read = true };
    struct org_keep old = *k;
    enum err err =
        org_values_revision(d->hooks, ORG_RETENTION, &fresh.revision);

    if (err == OK && k->is_read && fresh.revision == k->revision)
        return;
    if (err == OK) {
        err = org_value_each(d->hooks, ORG_RETENTION, 0, STR_EMPTY, on_value,
                             &fresh);
    }
    if (err != OK) { // those that were read before apply
        log_warn("retentions of organizations cannot be read", "reason=%s",
                 log_quote(str_of(err_str(err))));
        old = fresh;
    } else {
        keep_marks(k, &fresh);
        *k = fresh;
    }
    free(old.entries);
    free(old.at);
}

void org_keep_refresh(struct dispatcher *d, struct org_keep *k, int64_t now_us)
{
    read_anew(d, k);
    for (size_t i = 0; i < k->n; i++) {
        const struct org_retention *kept = &k->entries[i].kept;

        k->at[i].delivered_before_us =
            now_us - org_retention_applies(kept->delivered_ms,
                                           d->config->retention_delivered_ms) *
                         1000;
        k->at[i].dead_before_us =
            now_us -
            org_retention_applies(kept->dead_ms, d->config->retention_dead_ms) *
                1000;
    }
}
