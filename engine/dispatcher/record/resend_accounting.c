// SPDX-License-Identifier: MIT
// resend_accounting.c — how deliveries that were settled, and are sent once more, are
// counted again.

#include "engine/dispatcher/record/resend_accounting.h"

#include "common/model/delivery.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

void resend_reopen(struct dispatcher *d, struct delivery *dv)
{
    switch (delivery_notes(dv)->prior_state) {
    case PRIOR_NONE:
    case PRIOR_PING:
        return;
    case PRIOR_DELIVERED:
        batch_count(d->open_batch, COUNT_DELIVERED, -1);
        break;
    case PRIOR_DEAD:
        batch_dead_del(d->open_batch, hook_state_id(delivery_hook(dv)),
                       delivery_position(dv));
        break;
    case PRIOR_CANCELLED:
        batch_count(d->open_batch, COUNT_CANCELLED, -1);
        break;
    case PRIOR_EXPIRED:
        batch_count(d->open_batch, COUNT_DEAD_EXPIRED, -1);
        break;
    case PRIOR_NEVER:
        batch_count(d->open_batch, COUNT_MATCHED, 1);
        break;
    }
    delivery_notes(dv)->prior_state = PRIOR_NONE;
}

enum delivery_state resend_settle(struct dispatcher *d,
                                  const struct delivery *dv, bool is_delivered)
{
    switch (delivery_noted(dv)->prior_state) {
    case PRIOR_NONE: // the caller moves these
    case PRIOR_NEVER:
    case PRIOR_PING:
    case PRIOR_EXPIRED:
        break;
    case PRIOR_DELIVERED:
        return DELIVERY_DELIVERED;
    case PRIOR_DEAD:
        if (is_delivered) {
            batch_dead_del(d->open_batch, hook_state_id(delivery_hook(dv)),
                           delivery_position(dv));
            batch_count(d->open_batch, COUNT_DELIVERED, 1);
        }
        break;
    case PRIOR_CANCELLED:
        if (!is_delivered)
            return DELIVERY_CANCELLED;
        batch_count(d->open_batch, COUNT_CANCELLED, -1);
        batch_count(d->open_batch, COUNT_DELIVERED, 1);
        break;
    }
    return is_delivered ? DELIVERY_DELIVERED : DELIVERY_DEAD;
}
