// ends.c — the row of history of a delivery that ends without a request.
//
// What the row says of the event comes from the newest attempt of the delivery, or,
// if it was never attempted, from the event itself. If both are gone there is no
// row, for nothing is left that it could be about.

#include <inttypes.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/dispatch.h"

struct ending {
    struct dispatcher *d;
    const struct followed *hook;
    enum delivery_state state;
    struct str reason;
    bool is_written;
};

static void put(struct ending *e, struct attempt *a)
{
    a->hook_no = e->hook->no;
    a->started_at_us = clock_now_us();
    a->state = e->state;
    a->error_message = e->reason;
    change_attempt(e->d->filling, a);
    e->is_written = true;
}

static bool on_newest(void *data, uint64_t no, const struct attempt *newest)
{
    struct attempt a = { .org_no = newest->org_no,
                         .position = newest->position,
                         .event_id = newest->event_id,
                         .kind = newest->kind,
                         .accepted_at_us = newest->accepted_at_us,
                         .attempt = newest->attempt,
                         .timing = { .queue_us = newest->timing.queue_us } };

    (void)no;
    put(data, &a);
    return false;
}

static bool on_event(void *data, const struct event *event)
{
    struct ending *e = data;
    const struct hook *hook = e->hook->hook;
    struct attempt a = {
        .org_no = hook != NULL
                      ? queue_org_no(hook->scope.family, hook->scope.org)
                      : queue_org_no(event->family, event->org),
        .position = event->position,
        .event_id = event->id,
        .kind = event->kind,
        .accepted_at_us = event->accepted_at_us,
    };

    put(e, &a);
    return false;
}

void settle_write_end(struct dispatcher *d, const struct followed *f,
                      struct position position, enum delivery_state state,
                      struct str reason)
{
    struct ending e = { .d = d, .hook = f, .state = state, .reason = reason };
    struct history_query query = { .owner_no = f->no,
                                   .event = &position,
                                   .max_rows = 1 };
    enum err err = history_scan(d->history, &query, on_newest, &e);

    if (err == OK && !e.is_written)
        err = event_view_get(d->events, position, on_event, &e);
    if (!e.is_written) {
        log_warn("end of a delivery is in no history",
                 "hook=%" PRIu64 " reason=%s", f->no,
                 log_quote(str_of(err_str(err))));
    }
}
