// pump.c — which delivery goes to its sender next.
//
// Happy path: hooks that have something to send stand in the ring of their
// sender; each gets one turn, one delivery, and goes to the end, so no hook
// waits for another's queue. A turn ends at the hook's pace, the ring at the
// sender's.
//
// No hook keeps the others from a sender: while others wait, it has a quarter of
// its places at most. Hooks that did not answer last, or never, have half of
// them together. And what has been in flight for a second is counted apart, so
// that receivers that hang do not use up the places of those that answer.
//
// If it fails: with no sender, everything waits where it is.

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "engine/dispatcher/schedule/schedule.h"

#define CANCEL_TICK_MS  1
#define SLOW_LOOK_MS    250
#define SLOW_FLIGHT_US  INT64_C(1000000)
#define HOOK_SHARE      4 // of a sender's places a hook has one in so many
#define UNTRUSTED_SHARE 2 // likewise hooks that did not answer
// Said and not committed yet: then nothing more is sent. An eighth of what a full
// disk has room for (STORE_ROOM_BYTES): there may be as much in the commit before,
// and it may take twice as much there.
#define UNCOMMITTED_MAX_BYTES ((size_t)2 * 1024 * 1024)
// A commit that has taken longer may take for ever: what is sent meanwhile would be
// sent again if the process were killed.
#define COMMIT_LATE_US INT64_C(100000)

static void on_cancel_due(void *data);

// --- the ring ---

static bool has_work(const struct followed *f)
{
    return f->first != NULL || fetch_may(f);
}

// Whether its pace lets one more go. If not, it comes back by itself.
static bool is_its_time(struct followed *f)
{
    int64_t now_us;
    int64_t next_us;

    if (f->is_stuck || f->disable_wanted != HOOK_NOT_DISABLED ||
        followed_is_paused(f))
        return false;
    now_us = clock_mono_us();
    next_us = pace_next_us(&f->pace, &f->limits, f->n_sent, now_us);
    if (next_us <= now_us)
        return true;
    if (next_us != PACE_OUTCOME)
        followed_pause(f, next_us);
    return false;
}

void pump_ready(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct sender_link *link;

    if (f->is_ready || f->is_aside || !has_work(f))
        return;
    if (followed_is_active(f) && !is_its_time(f))
        return;
    f->sender = f->wanted_sender;
    link = &d->senders[f->sender];
    f->is_ready = true;
    f->next_ready = NULL;
    if (link->ring_last != NULL) {
        link->ring_last->next_ready = f;
    } else {
        link->ring_first = f;
    }
    link->ring_last = f;
}

static struct followed *take_ready(struct sender_link *link)
{
    struct followed *f = link->ring_first;

    link->ring_first = f->next_ready;
    if (link->ring_first == NULL)
        link->ring_last = NULL;
    f->is_ready = false;
    return f;
}

void pump_enqueue(struct dispatcher *d, struct delivery *dv)
{
    line_join(d, dv);
    dv->hook->is_stuck = false;
    pump_ready(dv->hook);
}

void pump_return(struct dispatcher *d, struct delivery *dv)
{
    line_rejoin(d, dv);
    dv->hook->is_stuck = false;
    pump_ready(dv->hook);
}

// --- turns ---

// One turn of a hook that is deleted or switched off. What is sent may still stand
// in its line.
static void cancel_some(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct delivery *dv = line_take(d, f);

    if (dv == NULL && fetch_may(f)) {
        fetch_rows(f);
        dv = line_take(d, f);
    }
    for (; dv != NULL; dv = line_take(d, f)) {
        settle_cancel(d, dv,
                      f->hook == NULL ? STR("the webhook was deleted")
                                      : STR("the webhook was switched off"));
    }
    if (f->is_fetchable)
        pump_ready(f);
    followed_forget_if_done(f);
}

// A slice of what waits for such hooks is cancelled in a tick: a million rows, or
// a thousand hooks at once, take their time and hold up nobody.
static void cancel_slice(struct dispatcher *d, struct followed *f)
{
    deadline_within(&d->cancel_due, CANCEL_TICK_MS);
    if (d->has_cancelled) {
        room_enter(&d->cancelling, f);
        return;
    }
    d->has_cancelled = true;
    cancel_some(f);
}

static void on_cancel_due(void *data)
{
    struct dispatcher *d = data;
    struct followed *f = d->cancelling.first;

    d->has_cancelled = false;
    room_let_go(&d->cancelling, 1);
    if (f != NULL)
        followed_forget_if_done(f); // somebody else may have sent the rest
    pump_all(d);
    if (d->cancelling.first != NULL)
        deadline_within(&d->cancel_due, CANCEL_TICK_MS);
}

bool pump_may_send(const struct dispatcher *d)
{
    return !d->is_draining && d->free_slot != NO_SLOT && storage_has_room(d) &&
           change_bytes(d->filling) < UNCOMMITTED_MAX_BYTES &&
           (!shard_is_committing(d->shard) ||
            clock_mono_us() - d->commit_started_us < COMMIT_LATE_US);
}

static uint32_t share(const struct sender_link *link, uint32_t of)
{
    uint32_t places = (uint32_t)link->dispatcher->config->max_inflight / of;

    return places > 0 ? places : 1;
}

void pump_let_go(struct sender_link *link)
{
    uint32_t places = share(link, UNTRUSTED_SHARE);

    if (link->n_untrusted < places)
        room_let_go(&link->untrusted, places - link->n_untrusted);
}

bool pump_admits_untrusted(const struct sender_link *link,
                           const struct followed *f)
{
    return f->is_trusted || link->n_untrusted < share(link, UNTRUSTED_SHARE);
}

// Whether there is a place for a hook that was taken out of the ring. If not, it
// waits where the end of an attempt finds it.
static bool has_place(struct sender_link *link, struct followed *f)
{
    if (link->ring_first != NULL && f->n_sent >= share(link, HOOK_SHARE))
        return false;
    if (!pump_admits_untrusted(link, f)) {
        room_enter(&link->untrusted, f);
        return false;
    }
    if (endpoint_admits(f))
        return true;
    endpoint_wait(f);
    return false;
}

static bool has_room(const struct followed *f)
{
    return f->first == NULL ||
           (followed_is_ordered(f) && f->n_open < ORDERED_MAX);
}

// NULL: none may go now. An ordered hook then rests until one may.
static struct delivery *next_delivery(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct delivery *dv;
    int64_t until_ms;

    if (f->first == NULL && fetch_may(f))
        fetch_rows(f);
    dv = line_next(d, f, &until_ms);
    while (dv == NULL && fetch_may(f) && has_room(f)) {
        fetch_rows(f);
        dv = line_next(d, f, &until_ms);
        if (!followed_is_ordered(f))
            break;
    }
    if (dv == NULL && f->first != NULL) {
        f->is_stuck = true;
        if (until_ms != INT64_MAX) {
            followed_pause(f,
                           clock_mono_us() + (until_ms - due_now_ms(d)) * 1000);
        }
    }
    return dv;
}

static void take_turn(struct sender_link *link, struct followed *f)
{
    struct dispatcher *d = link->dispatcher;
    struct delivery *dv;

    if (!followed_is_active(f)) {
        cancel_slice(d, f);
        return;
    }
    if (!is_its_time(f) || !has_place(link, f))
        return;
    dv = next_delivery(f);
    if (dv != NULL && aside_admits(d, dv)) {
        pace_sent(&f->pace, &f->limits, clock_mono_us());
        send_delivery(d, dv);
    }
    pump_ready(f);
}

void pump_turn(struct followed *f)
{
    struct sender_link *link;

    if (!f->is_ready)
        f->sender = f->wanted_sender;
    link = &f->dispatcher->senders[f->sender];
    if (link->chan != NULL && pump_may_send(link->dispatcher) && !f->is_aside)
        take_turn(link, f);
}

void pump_sender(struct sender_link *link)
{
    struct dispatcher *d = link->dispatcher;

    aside_look(d);
    while (link->ring_first != NULL && link->chan != NULL &&
           link->n_sent < d->config->max_inflight && pump_may_send(d) &&
           !aside_blocks(d))
        take_turn(link, take_ready(link));
}

void pump_all(struct dispatcher *d)
{
    for (unsigned i = 0; i < d->n_senders; i++)
        pump_sender(&d->senders[i]);
}

// --- attempts that take long ---

static void set_apart(struct dispatcher *d, struct slot *s)
{
    struct sender_link *link = &d->senders[s->sender];

    endpoint_set_apart(d, s);
    s->is_slow = true;
    link->n_sent--;
    link->n_slow++;
    if (s->is_untrusted) {
        s->is_untrusted = false;
        link->n_untrusted--;
        pump_let_go(link);
    }
}

static void on_slow_timer(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;
    int64_t before_us = clock_mono_us() - SLOW_FLIGHT_US;

    for (size_t i = 0; i < d->n_slots; i++) {
        struct slot *s = &d->slots[i];

        if (s->delivery != NULL && !s->is_slow && s->sent_at_us < before_us &&
            d->senders[s->sender].n_slow < d->config->max_inflight_slow)
            set_apart(d, s);
    }
    for (unsigned i = 0; i < d->n_senders; i++)
        pump_let_go(&d->senders[i]);
    endpoints_look(d);
    pump_all(d);
}

void pump_init(struct dispatcher *d)
{
    deadline_init(&d->cancel_due, role_loop(d->role), on_cancel_due, d);
    uv_timer_init(role_loop(d->role), &d->slow_timer);
    d->slow_timer.data = d;
    uv_timer_start(&d->slow_timer, on_slow_timer, SLOW_LOOK_MS, SLOW_LOOK_MS);
}
