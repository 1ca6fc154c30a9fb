// resend_accounting.c — deliveries that were settled, and are sent once more: how they
// are counted again.

#include "engine/dispatcher/record/resend_accounting.h"

#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

void manual_take_back(struct dispatcher *d, struct delivery *dv)
{
    switch (dv->past) {
    case PAST_NONE:
    case PAST_PING:
        return;
    case PAST_DELIVERED:
        change_count(d->filling, COUNT_DELIVERED, -1);
        break;
    case PAST_DEAD:
        change_dead_del(d->filling, dv->hook->no, dv->position);
        break;
    case PAST_CANCELLED:
        change_count(d->filling, COUNT_CANCELLED, -1);
        break;
    case PAST_EXPIRED:
        change_count(d->filling, COUNT_DEAD_EXPIRED, -1);
        break;
    case PAST_NEVER:
        change_count(d->filling, COUNT_MATCHED, 1);
        break;
    }
    dv->past = PAST_NONE;
}

enum delivery_state manual_settle(struct dispatcher *d,
                                  const struct delivery *dv, bool is_delivered)
{
    switch (dv->past) {
    case PAST_NONE: // the caller moves these
    case PAST_NEVER:
    case PAST_PING:
    case PAST_EXPIRED:
        break;
    case PAST_DELIVERED:
        return DELIVERY_DELIVERED;
    case PAST_DEAD:
        if (is_delivered) {
            change_dead_del(d->filling, dv->hook->no, dv->position);
            change_count(d->filling, COUNT_DELIVERED, 1);
        }
        break;
    case PAST_CANCELLED:
        if (!is_delivered)
            return DELIVERY_CANCELLED;
        change_count(d->filling, COUNT_CANCELLED, -1);
        change_count(d->filling, COUNT_DELIVERED, 1);
        break;
    }
    return is_delivered ? DELIVERY_DELIVERED : DELIVERY_DEAD;
}
