// SPDX-License-Identifier: MIT
// status.c — the status of a hook, for people; of one at once, of many in slices.

#include "engine/dispatcher/requests/status.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/id.h"
#include "common/encoding/json_writer.h"
#include "common/messages/query.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "engine/delivery/failing.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_clock.h"
#include "engine/dispatcher/loop/due_time.h"
#include "engine/dispatcher/record/backlog.h"
#include "engine/dispatcher/record/hook_health.h"
#include "engine/dispatcher/requests/slices.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

static const char *state_of(const struct dispatcher *d,
                            const struct hook_state *f, bool is_blocked)
{
    if (hook_record(f)->disabled != HOOK_NOT_DISABLED || health_is_disabling(f))
        return "disabled";
    if (!hook_record(f)->active)
        return "inactive";
    if (hook_record(f)->paused)
        return "paused";
    if (hook_record(f)->awaits_handshake) {
        const struct hook *hook = hook_record(f);
        bool is_refused =
            hook->handshake.answer == HANDSHAKE_REFUSED &&
            hook_handshake_is_current(hook, str_of(d->config->webhook_origin));

        return is_refused ? "refused" : "awaiting";
    }
    if (hook_throttle(f)->breaker == BREAKER_OPEN)
        return "open";
    if (hook_throttle(f)->breaker == BREAKER_PROBING)
        return "probing";
    if (health_of(f)->cause != FAILING_NOT)
        return "failing";
    if (is_blocked)
        return "blocked";
    return throttle_not_before_us(hook_throttle(f)) > clock_mono_us()
               ? "waiting"
               : "ok";
}

struct blocker {
    const struct hook *hook;
    struct json_writer *w;
};

static bool put_id(void *data, const struct event *event)
{
    struct blocker *b = data;
    char id[ID_TEXT_BYTES + 1];

    id_format(&event->id, id);
    if (hook_scope_holds(&b->hook->scope, event)) {
        json_put_text(b->w, "blockedBy", id);
    } else { // pages of the log have changed places
        json_put_null(b->w, "blockedBy");
    }
    return false;
}

static void put_time(struct json_writer *w, const char *key, int64_t at_ms)
{
    if (at_ms > 0) {
        json_put_i64(w, key, at_ms);
    } else {
        json_put_null(w, key);
    }
}

// Deliveries with rows, and those that have none yet, without those in flight.
static uint64_t n_waiting(const struct hook_state *f)
{
    int64_t n = backlog_rows(f) > (int64_t)hook_n_in_memory(f)
                    ? backlog_rows(f)
                    : (int64_t)hook_n_in_memory(f);

    return n > (int64_t)hook_n_sent(f) ? (uint64_t)n - hook_n_sent(f) : 0;
}

// Puts why the hook counts as failing; null if it does not.
static void put_failing(const struct dispatcher *d, const struct hook_state *f,
                        struct json_writer *w)
{
    const struct hook_health *h = health_of(f);
    struct buf reason;

    if (h->cause == FAILING_NOT) {
        json_put_null(w, "failing");
        return;
    }
    buf_init(&reason, 0);
    hook_health_put_reason(h, &reason);
    json_open_object(w, "failing");
    json_put_str(w, "reason", buf_str(&reason));
    json_put_u64(w, "failedAttempts", h->n_failed);
    if (d->config->disable_after_ms > 0) {
        json_put_u64(w, "percent",
                     failing_percent(h, d->config->disable_after_ms));
    } else {
        json_put_null(w, "percent");
    }
    json_close(w);
    buf_clear(&reason);
}

// Puts the status as an object; with `is_line` the state and a blank before it.
static void put_status(struct dispatcher *d, struct hook_state *f, bool is_line,
                       struct buf *out)
{
    struct json_writer w = json_writer(out);
    int64_t not_before_ms = 0;
    const struct delivery *head =
        hook_queue_blocking(f, due_now_ms(d), &not_before_ms);
    struct blocker blocker = { hook_record(f), &w };
    int64_t wait_us =
        throttle_not_before_us(hook_throttle(f)) - clock_mono_us();
    int64_t next_ms = wait_us > 0 ? clock_now_ms() + wait_us / 1000 : 0;

    if (head != NULL && next_ms == 0)
        next_ms = due_clock_wall_ms(&d->due_clock, not_before_ms);
    if (is_line)
        buf_printf(out, "%s ", state_of(d, f, head != NULL));
    json_open_object(&w, NULL);
    json_put_text(&w, "state", state_of(d, f, head != NULL));
    json_put_u64(&w, "inFlight", hook_n_sent(f));
    json_put_u64(&w, "window", hook_window(f));
    json_put_u64(&w, "waiting", n_waiting(f));
    json_put_u64(&w, "waitingBytes", backlog_bytes(f));
    json_put_bool(&w, "more", hook_has_rows(f));
    put_time(&w, "nextAttemptAt", next_ms);
    put_time(&w, "failingSince", health_of(f)->failing_since_ms);
    put_failing(d, f, &w);
    if (head == NULL || event_view_get(d->events, delivery_position(head),
                                       put_id, &blocker) != OK)
        json_put_null(&w, "blockedBy");
    json_close(&w);
}

void status_put(struct dispatcher *d, struct hook_state *f, struct buf *out)
{
    put_status(d, f, false, out);
}

// --- of many hooks ---

struct asking {
    struct sliced sliced; // first: it is cast
    struct dispatcher *d;
    uint64_t no;    // of the query
    struct buf nos; // of the hooks, 8 bytes each
    size_t at;      // bytes of `nos` that are done
    struct buf text;
};

// What is set aside, or was deleted, has no state.
static void put_line(struct asking *a)
{
    struct hook_state *f = hook_find(
        &a->d->schedule, get_be64((const uint8_t *)a->nos.at + a->at));

    a->at += 8;
    if (f == NULL || hook_record(f) == NULL || hook_is_aside(f)) {
        buf_puts(&a->text, STATUS_UNKNOWN);
    } else {
        put_status(a->d, f, true, &a->text);
    }
    buf_putc(&a->text, '\n');
}

static bool run(struct sliced *s, int64_t until_us)
{
    struct asking *a = (struct asking *)s;
    struct reply reply = { .no = a->no };

    while (a->at + 8 <= a->nos.n_bytes) {
        put_line(a);
        if (clock_mono_us() >= until_us)
            return false;
    }
    reply.text = buf_str(&a->text);
    requesters_answer_now(a->d, &reply);
    return true;
}

static void asking_free(struct sliced *s)
{
    struct asking *a = (struct asking *)s;

    buf_clear(&a->text);
    buf_clear(&a->nos);
    free(a);
}

enum err statuses_start(struct dispatcher *d, const struct query *query)
{
    static const struct sliced_kind kind = { run, asking_free };
    struct asking *a = xcalloc(1, sizeof(*a));
    uint64_t org_id = 0;
    enum err err;

    a->sliced.kind = &kind;
    a->sliced.n_bytes = query->text.n_bytes;
    a->d = d;
    a->no = query->no;
    buf_init(&a->nos, 0);
    buf_init(&a->text, 0);
    buf_put_str(&a->nos, query->text);
    err =
        org_number(d->hooks, (enum dialect)query->dialect, query->org, &org_id);
    if (err == OK)
        err = slices_add(d, &a->sliced, query, org_id);
    if (err != OK)
        asking_free(&a->sliced);
    return err;
}
