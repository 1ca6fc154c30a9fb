// SPDX-License-Identifier: MIT
// ping.c — pings: attempts of an event that is in no log; its payload is in its row of
// the history.

#include "engine/dispatcher/requests/ping.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/encoding/id.h"
#include "common/encoding/json_writer.h"
#include "common/messages/query.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/deliver/send.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/engine_events.h"
#include "engine/dispatcher/record/storage.h"
#include "engine/dispatcher/requests/reopen.h"
#include "engine/dispatcher/schedule/alone.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"

enum err on_demand_may_begin(struct dispatcher *d, uint64_t hook_id,
                             struct hook_state **out)
{
    struct hook_state *f;

    if (d->is_draining)
        return ERR_AGAIN;
    if (!storage_has_room(d))
        return ERR_FULL;
    // The api process limits attempts by hand for each organization; those that a
    // former api process asked for may be under way in addition.
    if (requesters_n(d) >= d->config->max_manual ||
        in_flight_is_full(&d->schedule))
        return ERR_BUSY;
    if (alone_blocks(&d->schedule, clock_mono_us()))
        return ERR_AGAIN;
    f = hook_find(&d->schedule, hook_id);
    if (f != NULL && hook_is_aside(f))
        return ERR_CRASHED;
    if (f == NULL || hook_record(f) == NULL)
        return ERR_NOTFOUND;
    if (hook_record(f)->awaits_handshake)
        return ERR_DENIED;
    *out = f;
    return schedule_is_linked(&d->schedule, f) ? OK : ERR_AGAIN;
}

static void ping_with(const struct search *s, const struct event *event,
                      uint32_t n_attempts)
{
    struct delivery *dv = reopen_as(s->d, s->f, position_start, PRIOR_PING);

    delivery_notes(dv)->n_attempts = n_attempts;
    delivery_notes(dv)->has_body =
        n_attempts > 0; // the history keeps the body as it was sent
    requesters_add(s->d, dv, s->query, &event->id);
    send_event_now(s->d, dv, event);
}

void ping_again(struct dispatcher *d, struct hook_state *f,
                const struct query *query, const struct event *event,
                uint32_t n_attempts)
{
    const struct search s = {
        .d = d, .f = f, .scope = &hook_record(f)->scope, .query = query
    };

    ping_with(&s, event, n_attempts);
}

void ping_send(const struct search *s)
{
    struct event event = engine_event_in(s->scope, "ping");
    struct buf payload;
    struct json_writer w = json_writer(&payload);

    buf_init(&payload, 0);
    // The text of Pulumi Cloud's pings, as Pulumi's command line shows it.
    json_open_object(&w, NULL);
    json_put_i64(&w, "timestamp", event.accepted_at_us / 1000000);
    json_put_text(&w, "message", "🍹 Just a friendly ping from Pulumi 🍹");
    json_close(&w);
    event.payload = buf_str(&payload);
    ping_with(s, &event, 0);
    buf_clear(&payload);
}
