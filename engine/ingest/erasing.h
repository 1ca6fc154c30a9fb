// SPDX-License-Identifier: MIT
// erasing.h — organizations that are being erased, as intake sees them.

#ifndef ENGINE_INGEST_ERASING_H
#define ENGINE_INGEST_ERASING_H

#include <stdbool.h>

#include "common/http/http.h"
#include "queue/queue.h"

// Whether events of the organization may be stored now. False: it is being erased; the
// request has been answered with 409.
bool ingest_admits_org(struct hook_store *hooks, struct http_request *r,
                       struct str org);

// Has the event log remove what it holds of the organization whose turn it is. To be called
// every second, before event_log_trim().
void ingest_erase(struct hook_store *hooks, struct event_log *log);

#endif
