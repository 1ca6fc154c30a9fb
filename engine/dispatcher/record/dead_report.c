// SPDX-License-Identifier: MIT
// dead_report.c — events about dead letters: at most one a minute for each hook.
//
// Happy path: the first dead letter of a hook is reported at once. The dead letters of
// the minute after it are counted, and reported together at the end of that minute.
//
// If the process ends: a drain reports what is counted. After a crash, the count is
// read from the record of the hook's health, which is committed with the dead letters.

#include "engine/dispatcher/record/dead_report.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/encoding/id.h"
#include "common/encoding/json_writer.h"
#include "common/model/delivery.h"
#include "common/model/event_kinds.h"
#include "common/process/deadline.h"
#include "common/process/role.h"
#include "engine/delivery/failing.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/engine_events.h"
#include "engine/dispatcher/record/health_rows.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"

struct dead_report {
    struct hook_state *hook;
    struct deadline may_report;
    struct unreported_dead dead; // `newest` points into `text`
    struct buf text;
};

static void on_timer_closed(uv_handle_t *handle)
{
    struct dead_report *r = handle->data;

    buf_clear(&r->text);
    free(r);
}

void dead_report_drop(struct hook_state *f)
{
    struct dead_report *r = hook_notes(f)->dead_report;

    hook_notes(f)->dead_report = NULL;
    hook_notes(f)->health.dead = NULL;
    if (r != NULL)
        deadline_close(&r->may_report, on_timer_closed);
}

static void put_id(struct json_writer *w, const char *key, const struct id *id)
{
    char text[ID_TEXT_BYTES + 1];

    id_format(id, text);
    json_put_text(w, key, text);
}

static void report(struct dispatcher *d, struct hook_state *f)
{
    const struct unreported_dead *dead = &hook_notes(f)->dead_report->dead;
    struct buf members;
    struct json_writer w = json_writer(&members);

    buf_init(&members, 0);
    json_open_object(&w, NULL);
    json_put_u64(&w, "count", dead->n);
    put_id(&w, "firstEventId", &dead->first);
    put_id(&w, "lastEventId", &dead->last);
    json_put_raw(&w, "delivery", dead->newest);
    json_close(&w);
    engine_event_add(d, hook_record(f), KIND_DELIVERY_DEAD, buf_str(&members));
    buf_clear(&members);
    hook_notes(f)->health.dead_told_at_ran_ms = health_ran_ms(d);
    dead_report_drop(f);
    health_changed(d, f);
}

static void start_timer(struct dead_report *r);

static void on_may_report(void *data)
{
    struct dead_report *r = data;
    struct hook_state *f = r->hook;
    struct dispatcher *d = hook_notes(f)->dispatcher;

    if (hook_record(f) == NULL) {
        dead_report_drop(f);
    } else if (failing_dead_wait_ms(&hook_notes(f)->health, health_ran_ms(d)) >
               0) {
        start_timer(r);
    } else {
        report(d, f);
    }
}

static void start_timer(struct dead_report *r)
{
    const struct hook_state *f = r->hook;
    int64_t wait_ms = failing_dead_wait_ms(
        &hook_notes(f)->health, health_ran_ms(hook_notes(f)->dispatcher));

    deadline_within(&r->may_report, (uint64_t)wait_ms);
}

static struct dead_report *report_of(struct hook_state *f)
{
    struct dead_report *r = hook_notes(f)->dead_report;

    if (r != NULL)
        return r;
    r = xcalloc(1, sizeof(*r));
    r->hook = f;
    buf_init(&r->text, 0);
    deadline_init(&r->may_report, role_loop(hook_notes(f)->dispatcher->role),
                  on_may_report, r);
    hook_notes(f)->dead_report = r;
    hook_notes(f)->health.dead = &r->dead;
    return r;
}

static void describe(struct dead_report *r, const struct in_flight *s,
                     const struct attempt *attempt)
{
    struct json_writer w = json_writer(&r->text);

    buf_reset(&r->text);
    json_open_object(&w, NULL);
    put_id(&w, "id", &in_flight_notes(s)->event_id);
    json_put_str(&w, "kind", buf_str(&in_flight_notes(s)->kind));
    json_put_u64(&w, "attempts", attempt->attempt);
    json_put_u64(&w, "responseCode", attempt->response_code);
    json_put_text(&w, "errorClass", error_name(attempt->error));
    json_put_str(&w, "errorMessage", attempt->error_message);
    json_close(&w);
    r->dead.newest = buf_str(&r->text);
}

void dead_report_note(struct dispatcher *d, const struct in_flight *s,
                      const struct attempt *attempt)
{
    struct hook_state *f = delivery_hook(in_flight_delivery(s));
    struct dead_report *r;

    if (hook_record(f) == NULL || !engine_event_is_wanted(d, hook_record(f)) ||
        kind_is_own(buf_str(&in_flight_notes(s)->kind)))
        return;
    r = report_of(f);
    if (r->dead.n++ == 0)
        r->dead.first = in_flight_notes(s)->event_id;
    r->dead.last = in_flight_notes(s)->event_id;
    describe(r, s, attempt);
    health_changed(d, f);
    if (failing_dead_wait_ms(&hook_notes(f)->health, health_ran_ms(d)) == 0) {
        report(d, f);
    } else {
        start_timer(r);
    }
}

void dead_report_load(struct hook_state *f, const struct unreported_dead *dead)
{
    struct dead_report *r = report_of(f);

    r->dead = *dead;
    buf_put_str(&r->text, dead->newest);
    r->dead.newest = buf_str(&r->text);
    start_timer(r);
}

void dead_report_all(struct dispatcher *d)
{
    for (struct hook_state *f = hook_next(&d->schedule, NULL); f != NULL;
         f = hook_next(&d->schedule, f)) {
        if (hook_notes(f)->dead_report != NULL && hook_record(f) != NULL)
            report(d, f);
    }
}
