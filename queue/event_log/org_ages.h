// SPDX-License-Identifier: MIT
// org_ages.h — organizations that keep what they have for less time than others. Part of
// queue.h, which is what to include outside of queue/.

#ifndef QUEUE_EVENT_LOG_ORG_AGES_H
#define QUEUE_EVENT_LOG_ORG_AGES_H

#include <stdint.h>

struct event_log;
struct hook_store;

// What the settings say, and when.
struct org_settings {
    int64_t now_us;                // UTC epoch
    int64_t delivered_ms, dead_ms; // retention_delivered, retention_dead
};

// Reads anew, if they may have changed, how long organizations keep what they have.
// event_log_trim(), which has to be called then, removes an organization's events once they
// are older than the longer of its own two retentions. What cannot be read is logged; then
// that applies which was read before.
void event_log_keep_orgs(struct event_log *log, struct hook_store *hooks,
                         const struct org_settings *settings);

#endif
