// hook_table.c — follows the hooks of this shard, keeps what runs for each.
//
// Happy path: the store says which hooks changed since the revision seen last;
// each is put into the match index and gets a `struct followed`.
//
// A hook that is deleted or switched off: what waits for it, in memory and in
// the index, is cancelled and counted. What is in flight runs to its end.
//
// A hook that is paused: what waits for it lies in the index until it goes on.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/config/config_types.h"
#include "common/encoding/url.h"
#include "common/log/log.h"
#include "common/model/event_kinds.h"
#include "common/model/operator.h"
#include "engine/dispatcher/record/backlog.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

#define TABLE_MIN     1024 // a power of two
#define WINDOW_START  2
#define LOOK_AGAIN_MS 60000 // at the latest: the wall clock may jump

static size_t slot_of(const struct dispatcher *d, uint64_t no)
{
    return (size_t)(no * UINT64_C(0x9e3779b97f4a7c15) >> 20) & d->n_by_no_mask;
}

struct followed *followed_find(const struct dispatcher *d, uint64_t no)
{
    struct followed *f;

    if (d->by_no == NULL)
        return NULL;
    f = d->by_no[slot_of(d, no)];
    while (f != NULL && f->no != no)
        f = f->next_hash;
    return f;
}

static void grow(struct dispatcher *d)
{
    size_t n_old = d->by_no != NULL ? d->n_by_no_mask + 1 : 0;
    struct followed **old = d->by_no;

    d->n_by_no_mask = (n_old > 0 ? n_old * 2 : TABLE_MIN) - 1;
    d->by_no = xcalloc(d->n_by_no_mask + 1, sizeof(struct followed *));
    for (size_t i = 0; i < n_old; i++) {
        struct followed *f = old[i];

        while (f != NULL) {
            struct followed *next = f->next_hash;
            struct followed **head = &d->by_no[slot_of(d, f->no)];

            f->next_hash = *head;
            *head = f;
            f = next;
        }
    }
    free(old);
}

static void on_rows_due(void *data);
static void on_pause_over(void *data);

struct followed *followed_get(struct dispatcher *d, uint64_t no)
{
    struct followed *f = followed_find(d, no);
    struct followed **head;

    if (f != NULL)
        return f;
    if (d->by_no == NULL || d->n_followed > d->n_by_no_mask)
        grow(d);
    f = xcalloc(1, sizeof(*f));
    f->dispatcher = d;
    f->no = no;
    deadline_init(&f->rows_due, role_loop(d->role), on_rows_due, f);
    deadline_init(&f->pause_over, role_loop(d->role), on_pause_over, f);
    f->n_open_timers = 2;
    pace_init(&f->pace, WINDOW_START);
    head = &d->by_no[slot_of(d, no)];
    f->next_hash = *head;
    *head = f;
    d->n_followed++;
    return f;
}

static void on_followed_closed(uv_handle_t *handle)
{
    struct followed *f = handle->data;

    if (--f->n_open_timers == 0)
        free(f);
}

void followed_forget_if_done(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct followed **link;

    if (f->hook != NULL || f->n_open > 0 || f->has_rows || f->is_ready ||
        f->is_health_unsaid || f->is_alarm_late || f->is_closing ||
        f->is_aside || !backlog_is_counted(d))
        return;
    backlog_leave(d, f);
    link = &d->by_no[slot_of(d, f->no)];
    while (*link != f)
        link = &(*link)->next_hash;
    *link = f->next_hash;
    d->n_followed--;
    f->is_closing = true;
    deadline_close(&f->rows_due, on_followed_closed);
    deadline_close(&f->pause_over, on_followed_closed);
}

void followed_forget_all_done(struct dispatcher *d)
{
    for (size_t i = 0; d->by_no != NULL && i <= d->n_by_no_mask; i++) {
        struct followed *f = d->by_no[i];

        while (f != NULL) {
            struct followed *next = f->next_hash;

            followed_forget_if_done(f);
            f = next;
        }
    }
}

bool followed_is_active(const struct followed *f)
{
    return f->hook != NULL && f->hook->active;
}

bool followed_is_paused(const struct followed *f)
{
    return followed_is_active(f) && f->hook->paused;
}

// --- due rows ---

static void on_rows_due(void *data)
{
    struct followed *f = data;

    f->is_fetchable = true;
    f->is_stuck = false;
    pump_ready(f);
    pump_all(f->dispatcher);
}

void followed_expect(struct followed *f, int64_t due_at_ms)
{
    int64_t wait_ms = due_at_ms - due_now_ms(f->dispatcher);

    f->has_rows = true;
    if (wait_ms <= 0 || !followed_is_active(f)) {
        f->is_fetchable = true;
        f->is_stuck = false;
        pump_ready(f);
        return;
    }
    if (wait_ms > LOOK_AGAIN_MS)
        wait_ms = LOOK_AGAIN_MS;
    deadline_within(&f->rows_due, (uint64_t)wait_ms);
}

// --- pauses ---

static void on_pause_over(void *data)
{
    struct followed *f = data;

    f->is_stuck = false;
    pump_ready(f);
    pump_all(f->dispatcher);
}

void followed_pause(struct followed *f, int64_t until_us)
{
    int64_t wait_ms = (until_us - clock_mono_us() + 999) / 1000;

    if (wait_ms < 1)
        wait_ms = 1;
    if (wait_ms > LOOK_AGAIN_MS)
        wait_ms = LOOK_AGAIN_MS;
    deadline_within(&f->pause_over, (uint64_t)wait_ms);
}

// --- changes ---

static void take_limits(struct followed *f)
{
    const struct config *c = f->dispatcher->config;
    const struct hook_policy *p = &f->hook->policy;

    f->limits = (struct pace_limits){
        .max_inflight = p->max_inflight > 0
                            ? p->max_inflight
                            : (uint32_t)c->max_inflight_per_hook,
        .rate_per_second = p->rate_per_second,
        .rate_burst = p->rate_burst,
        .breaker_failures = (uint32_t)c->breaker_failures,
        .breaker_wait_us = c->breaker_wait_ms * 1000,
        .breaker_wait_max_us = c->breaker_wait_max_ms * 1000,
    };
}

// The api process has judged it.
static void take_schedule(struct followed *f)
{
    struct str text = f->hook->policy.retry_schedule;
    int64_t waits_ms[RETRIES_MAX];
    size_t n = 0;

    free(f->retry_waits_ms);
    f->retry_waits_ms = NULL;
    if (text.n_bytes == 0 ||
        config_read_schedule(text, INT64_MAX, waits_ms, &n) != OK)
        return;
    f->retry_waits_ms = xcalloc(n, sizeof(*waits_ms));
    memcpy(f->retry_waits_ms, waits_ms, n * sizeof(*waits_ms));
    f->n_retry_waits = n;
}

static void take_endpoint(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct endpoint *e = f->hook != NULL ? endpoint_use(d, f->hook->url) : NULL;

    if (f->room != NULL && e != f->endpoint)
        room_leave(f);
    endpoint_drop(d, f->endpoint);
    f->endpoint = e;
}

void followed_reload(struct dispatcher *d)
{
    for (size_t i = 0; i <= d->n_by_no_mask && d->by_no != NULL; i++) {
        for (struct followed *f = d->by_no[i]; f != NULL; f = f->next_hash) {
            if (f->hook != NULL)
                take_limits(f);
        }
    }
}

// All deliveries for one endpoint go through the same sender, so that its
// connections are used again.
static unsigned sender_for(const struct dispatcher *d, const struct hook *hook)
{
    struct url url;
    struct buf endpoint;
    unsigned sender = 0;

    buf_init(&endpoint, 0);
    if (url_parse(hook->url, &url, NULL) == OK) {
        url_endpoint(&url, &endpoint);
        sender = (unsigned)(hash64(buf_str(&endpoint), 0) % d->n_senders);
    }
    buf_clear(&endpoint);
    return sender;
}

static void cancel_waiting(struct followed *f)
{
    f->is_fetchable = f->has_rows;
    room_leave(f);
    pump_ready(f); // the pump cancels what an inactive hook has
}

static void forget_hook(struct dispatcher *d, uint64_t no)
{
    struct followed *f = followed_find(d, no);

    discard_hook(d, no);
    if (f == NULL)
        return;
    f->is_aside = false;
    match_index_remove(d->index, no);
    d->n_paused -= followed_is_paused(f);
    health_forget(d, f);
    hook_free(f->hook);
    f->hook = NULL;
    take_endpoint(f);
    free(f->retry_waits_ms);
    f->retry_waits_ms = NULL;
    cancel_waiting(f);
    followed_forget_if_done(f);
}

// Its record cannot be read, which is not its end: what is known of it from before
// goes on, and if nothing is, what waits for it rests.
static void keep_unreadable(struct dispatcher *d, uint64_t no)
{
    struct followed *f = followed_get(d, no);

    log_warn("the record of a hook cannot be read; what waits for it rests",
             "%s hook_no=%" PRIu64, "hook=\"(unreadable)\"", no);
    f->is_aside = f->hook == NULL;
}

// What waits for it goes into the index, also what came back from a sender that
// died; it takes no memory however much there is.
static void rest(struct followed *f)
{
    room_leave(f);
    fetch_spill(f);
}

static void take_hook(struct dispatcher *d, const struct hook *hook)
{
    struct followed *f = followed_get(d, hook->no);
    bool was_active = followed_is_active(f);
    bool was_paused = followed_is_paused(f);
    bool is_known = f->hook != NULL;
    bool was_aside = f->is_aside;

    f->is_aside = false;
    hook_free(f->hook);
    f->hook = hook_copy(hook);
    backlog_join(d, f);
    d->n_paused += followed_is_paused(f);
    d->n_paused -= was_paused;
    f->wanted_sender = sender_for(d, hook);
    take_limits(f);
    take_schedule(f);
    take_endpoint(f);
    if (operator_is_org(hook->scope.org) && !hook->is_operator) {
        log_warn("hook of the reserved organization " OPERATOR_ORG
                 " gets nothing until it is changed",
                 "%s", hook_log(hook));
    }
    match_index_put(d->index, f->hook, f);
    // A pause ends like being switched on: it counts from then on.
    health_on_hook(d, f,
                   !is_known || (was_active && (!was_paused || hook->paused)));
    if (!hook->active) {
        cancel_waiting(f);
    } else if (hook->paused) {
        rest(f);
    } else if (is_known) {
        if (was_paused)
            pace_begin_slowly(&f->pace, WINDOW_START);
        f->is_stuck = false;
        pump_ready(f); // its limits may be wider now
    } else if (was_aside && f->has_rows) {
        followed_expect(f, clock_now_ms());
    }
}

static bool wants_own_events(const struct hook *hook)
{
    for (size_t i = 0; i < hook->n_kinds; i++) {
        if (kind_is_own(hook->kinds[i]))
            return true;
    }
    return false;
}

static bool on_hook(void *data, const struct hook *hook)
{
    struct dispatcher *d = data;
    struct blamed before;

    d->has_operator = d->has_operator || hook->is_operator;
    if (!hook->is_operator && wants_own_events(hook))
        d->has_subscribers = true;
    if (queue_shard_of(hook->no, d->n_shards) != role_index(d->role))
        return true;
    log_debug("hook", "%s revision=%" PRIu64, hook_log(hook), hook->revision);
    before = blame_begin(BLAME_HOOK, hook->no, hook->revision);
    if (hook->is_damaged) {
        keep_unreadable(d, hook->no);
    } else if (hook->name.n_bytes == 0) {
        forget_hook(d, hook->no);
    } else if (!aside_hook(d, hook)) {
        take_hook(d, hook);
        blame_forget(BLAME_HOOK, hook->no, hook->revision);
    }
    blame_end(before);
    return true;
}

void followed_refresh(struct dispatcher *d)
{
    enum err err =
        hook_watch(d->hooks, d->hooks_seen, on_hook, d, &d->hooks_seen);

    if (err != OK) {
        log_fatal("hooks cannot be read", "reason=%s",
                  log_quote(str_of(err_str(err))));
    }
    pump_all(d);
}
