// SPDX-License-Identifier: MIT
// erasing.h — organizations that are being erased, and what is past retention, as intake sees
// them.

#ifndef ENGINE_INGEST_ERASING_H
#define ENGINE_INGEST_ERASING_H

#include <stdbool.h>

#include "common/config/config.h"
#include "common/http/http.h"
#include "queue/queue.h"

// Whether events of the organization may be stored now. False: it is being erased; the
// request has been answered with 409.
bool ingest_admits_org(struct hook_store *hooks, struct http_request *r,
                       struct str org);

// Has the event log remove what it holds of the organization whose turn it is. To be called
// every second, before event_log_trim().
void ingest_erase(struct hook_store *hooks, struct event_log *log);

// Has the event log remove what is past retention, and erase payloads as orders say. To be called every second. `now_us`: UTC
// epoch, of the clock that retention believes.
void ingest_trim(const struct config *config, struct hook_store *hooks,
                 struct event_log *log, int64_t now_us);

#endif
