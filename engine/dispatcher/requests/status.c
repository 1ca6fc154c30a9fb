// SPDX-License-Identifier: MIT
// status.c — the status of a hook, for people.

#include "engine/dispatcher/requests/status.h"

#include <inttypes.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/encoding/id.h"
#include "engine/delivery/failing.h"
#include "engine/delivery/scope.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/record/backlog.h"
#include "engine/dispatcher/schedule/due_clock.h"
#include "engine/dispatcher/schedule/due_time.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

// The delivery of an ordered hook that the others wait for. NULL: there is none.
static const struct delivery *blocking(const struct hook_state *f)
{
    int64_t now_ms = due_now_ms(f->dispatcher);

    if (!hook_is_ordered(f))
        return NULL;
    for (const struct delivery *dv = f->first; dv != NULL; dv = dv->next) {
        if (dv->place == DELIVERY_WAITING && dv->not_before_ms > now_ms)
            return dv;
    }
    return NULL;
}

static const char *state_of(const struct hook_state *f)
{
    if (f->hook->disabled != HOOK_NOT_DISABLED ||
        f->disable_wanted != HOOK_NOT_DISABLED)
        return "disabled";
    if (!f->hook->active)
        return "inactive";
    if (f->hook->paused)
        return "paused";
    if (f->throttle.breaker == BREAKER_OPEN)
        return "open";
    if (f->throttle.breaker == BREAKER_PROBING)
        return "probing";
    if (f->health.cause != FAILING_NOT)
        return "failing";
    if (blocking(f) != NULL)
        return "blocked";
    return f->throttle.not_before_us > clock_mono_us() ? "waiting" : "ok";
}

struct blocker {
    const struct hook *hook;
    struct buf *out;
};

static bool put_id(void *data, const struct event *event)
{
    struct blocker *b = data;
    char id[ID_TEXT_BYTES + 1];

    id_format(&event->id, id);
    if (scope_holds(&b->hook->scope, event)) {
        buf_printf(b->out, ",\"blockedBy\":\"%s\"", id);
    } else { // pages of the log have changed places
        buf_puts(b->out, ",\"blockedBy\":null");
    }
    return false;
}

static void put_time(struct buf *out, const char *key, int64_t at_ms)
{
    if (at_ms > 0) {
        buf_printf(out, ",\"%s\":%" PRId64, key, at_ms);
    } else {
        buf_printf(out, ",\"%s\":null", key);
    }
}

// Deliveries with rows, and those that have none yet, without those in flight.
static uint64_t n_waiting(const struct hook_state *f)
{
    int64_t n = f->backlog.n_rows > (int64_t)f->n_open ? f->backlog.n_rows
                                                       : (int64_t)f->n_open;

    return n > (int64_t)f->n_sent ? (uint64_t)n - f->n_sent : 0;
}

// Appends why the hook counts as failing; null if it does not.
static void put_failing(const struct dispatcher *d, const struct hook_state *f,
                        struct buf *out)
{
    const struct hook_health *h = &f->health;
    struct buf reason;

    if (h->cause == FAILING_NOT) {
        buf_puts(out, ",\"failing\":null");
        return;
    }
    buf_init(&reason, 0);
    hook_health_put_reason(h, &reason);
    buf_puts(out, ",\"failing\":{\"reason\":");
    buf_put_json(out, buf_str(&reason));
    buf_printf(out,
               ",\"failedAttempts\":%" PRIu32 ",\"percent\":", h->n_failed);
    if (d->config->disable_after_ms > 0) {
        buf_printf(out, "%u}", failing_percent(h, d->config->disable_after_ms));
    } else {
        buf_puts(out, "null}");
    }
    buf_clear(&reason);
}

void status_put(struct dispatcher *d, struct hook_state *f, struct buf *out)
{
    const struct delivery *head = blocking(f);
    struct blocker blocker = { f->hook, out };
    int64_t wait_us = f->throttle.not_before_us - clock_mono_us();
    int64_t next_ms = wait_us > 0 ? clock_now_ms() + wait_us / 1000 : 0;

    if (head != NULL && next_ms == 0)
        next_ms = due_clock_wall_ms(&d->due_clock, head->not_before_ms);
    buf_printf(
        out,
        "{\"state\":\"%s\",\"inFlight\":%u,\"window\":%u,"
        "\"waiting\":%" PRIu64 ",\"waitingBytes\":%" PRIu64 ",\"more\":%s",
        state_of(f), f->n_sent, throttle_window(&f->throttle, &f->limits),
        n_waiting(f), backlog_bytes(f), f->has_rows ? "true" : "false");
    put_time(out, "nextAttemptAt", next_ms);
    put_time(out, "failingSince", f->health.failing_since_ms);
    put_failing(d, f, out);
    if (head == NULL ||
        event_view_get(d->events, head->position, put_id, &blocker) != OK)
        buf_puts(out, ",\"blockedBy\":null");
    buf_putc(out, '}');
}
