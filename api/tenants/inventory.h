// SPDX-License-Identifier: MIT
// inventory.h — what there is of an organization, counted.

#ifndef API_TENANTS_INVENTORY_H
#define API_TENANTS_INVENTORY_H

#include "api/tenants/tenant.h"

// Counts in turns, then answers: webhooks, tokens, deliveries that wait, dead letters,
// attempts of the history, events and the bytes of their payloads.
void inventory_answer(struct api_request *rq, const struct tenant *tenant);

#endif
