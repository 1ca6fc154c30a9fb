// SPDX-License-Identifier: MIT
// resend_accounting.h — deliveries that were settled, and are sent once more: how they
// are counted again.

#ifndef ENGINE_DISPATCHER_RECORD_RESEND_ACCOUNTING_H
#define ENGINE_DISPATCHER_RECORD_RESEND_ACCOUNTING_H

#include "engine/dispatcher/schedule/schedule.h"

// What the outcome makes of a delivery with a prior_state: added to d->open_batch.
enum delivery_state resend_settle(struct dispatcher *d,
                                  const struct delivery *dv, bool is_delivered);

// One that was settled is not any more: added to d->open_batch.
void resend_reopen(struct dispatcher *d, struct delivery *dv);

#endif
