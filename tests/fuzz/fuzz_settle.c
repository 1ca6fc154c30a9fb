// SPDX-License-Identifier: MIT
// fuzz_settle.c — an outcome in the dispatcher: it counts once, from the sender that has
// the attempt, and it adds to the next commit one row of the history and one new state
// of the delivery.
//
// The dispatcher has one hook and one attempt in flight, and no disk: the test reads
// the open batch that it would commit. Input: choices, then the frame without its type.

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/config/settings.h"
#include "common/process/role.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_time.h"
#include "engine/dispatcher/record/attempt_stats.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/engine_events.h"
#include "engine/dispatcher/record/health_rows.h"
#include "engine/dispatcher/record/hook_health.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/record/replay_progress.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"
#include "queue/shard/inside.h"
#include "tests/fuzz/fuzz.h"

#define HOOK_NO   5
#define ROW_DUE   INT64_C(1700000000000)
#define RETRY_MAX INT64_C(200000000) // a day, twice, and jitter; ms

enum {
    HAS_ROW = 1,
    IS_INACTIVE = 2,
    IS_SLACK = 4,
    IS_ORDERED = 8,
    IS_TRUSTED = 16
};

static const struct position position = { { 9 } };

static uv_loop_t loop;
static struct config config;
static struct shard shard;
static struct dispatcher d;
static struct attempt_stats stats;
static struct commit commit;
static struct engine_events engine_events;
static struct health health;
static struct health_rows health_rows;
static struct requesters requesters;
static struct hook hook;
static struct hook_state *f;
static struct attempt_notes notes[1];

static void on_deadline(void *data)
{
    (void)data;
}

static void tell(struct schedule_event event)
{
    core_note(&d, &event);
}

static void start(void)
{
    struct config_sources sources = { .no_environment = true };
    struct buf faults;

    buf_init(&faults, 0);
    CHECK(config_load(&sources, &config, &faults) == OK);
    buf_clear(&faults);
    uv_loop_init(&loop);
    d.config = &config;
    d.shard = &shard;
    d.n_senders = 2;
    d.n_shards = 1;
    d.open_batch = shard_batch_new();
    d.attempt_stats = &stats;
    d.commit = &commit;
    d.engine_events = &engine_events;
    d.health = &health;
    d.health_rows = &health_rows;
    d.requesters = &requesters;
    replays_init(&d);
    deadline_init(&commit.due, &loop, on_deadline, &d);
    due_clock_init(&d.due_clock, 0, 0, clock_now_ms(), clock_mono_us());
    schedule_init(&d.schedule,
                  &(struct schedule_limits){ .n_senders = 2,
                                             .max_inflight = 10,
                                             .max_inflight_slow = 2,
                                             .max_inflight_per_endpoint = 10,
                                             .max_on_demand = 1,
                                             .max_ordered = 16 });
    tell((struct schedule_event){ .kind = SCHEDULE_SENDER_UP, .sender = 0 });
    aside_init(&d);
}

// --- before: one attempt in flight ---

static void make_hook(uint8_t choices)
{
    const struct throttle_limits limits = { .max_inflight = 10,
                                            .breaker_failures = 2,
                                            .breaker_wait_us = 1000000,
                                            .breaker_wait_max_us = 2000000 };

    hook = (struct hook){
        .no = HOOK_NO,
        .org_id = UINT64_C(1) << 63 | 7,
        .scope = { .dialect = DIALECT_PULUMI, .level = LEVEL_ORGANIZATION },
        .name = STR("h"),
        .url = STR("https://example.com/x"),
        .format = (choices & IS_SLACK) != 0 ? FORMAT_SLACK : FORMAT_RAW,
        .active = true,
        .policy = { .ordered = (choices & IS_ORDERED) != 0 },
    };
    f = hook_find_or_add(&d, HOOK_NO);
    tell((struct schedule_event){ .kind = SCHEDULE_HOOK_CHANGED,
                                  .hook = f,
                                  .record = &hook,
                                  .limits = &limits });
    f->is_responsive = (choices & IS_TRUSTED) != 0;
}

static struct in_flight *put_in_flight(struct delivery *dv)
{
    const struct schedule_event turns = { .kind = SCHEDULE_TURNS,
                                          .max_effects = 1 };
    struct effects out;
    struct in_flight *s;

    tell((struct schedule_event){ .kind = SCHEDULE_ARRIVED, .delivery = dv });
    core_step(&d, &turns, &out);
    CHECK(out.n == 1 && out.at[0].kind == EFFECT_SEND);
    s = out.at[0].attempt;
    CHECK(s->delivery == dv && dv->is_listed == hook.policy.ordered);
    s->notes = &notes[0];
    s->notes->accepted_at_us = clock_now_us() - 1000000;
    s->notes->org_id = hook.org_id;
    buf_reset(&s->notes->kind);
    buf_puts(&s->notes->kind, "order.created");
    buf_reset(&s->notes->url);
    buf_put_str(&s->notes->url, hook.url);
    buf_reset(&s->notes->headers);
    buf_put(&s->notes->headers, "A: b", 5); // each ends in a NUL
    buf_reset(&s->notes->body);
    return s;
}

// --- after: what was added to the batch ---

struct said {
    unsigned n_attempts, n_due_put, n_due_del, n_dead;
    struct attempt attempt;
    struct due_row due;
};

static void hear(struct said *said)
{
    struct batch_step step;
    struct dead_row dead;
    size_t at = 0;

    *said = (struct said){ .n_attempts = 0 };
    while (batch_next(d.open_batch, &at, &step)) {
        switch (step.op) {
        case CHANGE_ATTEMPT:
            said->n_attempts++;
            CHECK(attempt_decode(RECORD_NOWHERE, step.value, &said->attempt) ==
                  OK);
            break;
        case CHANGE_DUE_PUT:
            said->n_due_put++;
            CHECK(due_decode(RECORD_NOWHERE, step.key, step.value,
                             &said->due) == OK);
            break;
        case CHANGE_DUE_DEL:
            said->n_due_del++;
            break;
        case CHANGE_DEAD_PUT:
            said->n_dead++;
            CHECK(dead_decode(RECORD_NOWHERE, step.key, step.value, &dead) ==
                  OK);
            CHECK(dead.hook_id == HOOK_NO);
            break;
        default:
            fuzz_fail(__FILE__, __LINE__, "nothing else is said of it");
        }
    }
}

static void check_row(const struct said *said, const struct outcome *o,
                      uint32_t n_before)
{
    const struct attempt *a = &said->attempt;

    CHECK(a->hook_id == HOOK_NO && a->org_id == hook.org_id);
    CHECK(position_cmp(a->position, position) == 0);
    CHECK(a->attempt == n_before + 1);
    CHECK(a->response_code == o->response_code);
    CHECK(str_eq(a->response_headers, o->response_headers));
    CHECK(a->timing.total_us >= 0 && a->timing.queue_us >= 0);
    CHECK((a->state == DELIVERY_DELIVERED) == (a->error == ERROR_NONE));
    CHECK(a->error == ERROR_NONE || a->error_message.n_bytes > 0 ||
          o->error_message.n_bytes == 0);
}

// The row of the next attempt.
static void check_due(const struct said *said, uint32_t n_before, bool had_row)
{
    int64_t wait_ms = said->due.due_at_ms - due_now_ms(&d);

    CHECK(hook.active);
    CHECK(said->due.hook_id == HOOK_NO);
    CHECK(said->due.n_attempts == n_before + 1);
    if (hook.policy.ordered) {
        CHECK(said->due.due_at_ms == 0);
    } else {
        CHECK(said->n_due_del == had_row);
        CHECK(wait_ms > -60000 && wait_ms < RETRY_MAX);
    }
}

static void check_place(const struct said *said, uint32_t n_before,
                        bool had_row)
{
    enum delivery_state state = said->attempt.state;

    CHECK(d.open_batch->counts[COUNT_DELIVERED] ==
          (state == DELIVERY_DELIVERED));
    CHECK(d.open_batch->counts[COUNT_CANCELLED] ==
          (state == DELIVERY_CANCELLED));
    CHECK(said->n_dead == (state == DELIVERY_DEAD));
    CHECK(said->n_due_put == (state == DELIVERY_RETRYING));
    if (said->n_due_put > 0) {
        check_due(said, n_before, had_row);
    } else {
        CHECK(said->n_due_del == had_row);
    }
}

// --- the dispatcher is as before ---

static void forget(struct delivery *dv)
{
    bool is_there = delivery_find(&d.schedule, HOOK_NO, position) != NULL;

    commit.open_settled = NULL;
    if (is_there && dv->place == DELIVERY_WAITING) {
        tell((struct schedule_event){ .kind = SCHEDULE_WITHDRAWN,
                                      .delivery = dv });
    }
    if (is_there)
        delivery_remove(&d.schedule, dv);
    CHECK(d.schedule.open.n == 0 && f->n_open == 0);
    CHECK(d.schedule.unpersisted.first == NULL && f->first == NULL);
    CHECK(d.schedule.n_from_log == 0 && d.schedule.n_loaded == 0);
    CHECK(f->n_sent == 0 && d.schedule.n_sent == 0);
    CHECK(d.schedule.senders[0].n_sent == 0);
    CHECK(d.schedule.senders[0].n_unresponsive == 0);
    attempt_stats_flush(&d, true);
    shard_batch_reset(d.open_batch);
    commit.open_wakes.n = 0;
    commit.is_wanted = false;
    health_rows.changed = NULL;
    health.late = NULL;
    health.n_disables = 0;
    health.n_disabling = 0;
    if (f->place == HOOK_IN_RING)
        list_remove(&d.schedule.senders[0].ring, &f->turn);
    f->place = HOOK_RESTS;
    deadline_stop(&commit.due);
    tell((struct schedule_event){ .kind = SCHEDULE_HOOK_CHANGED, .hook = f });
    CHECK(d.schedule.endpoints.n == 0);
    free(f->notes);
    hook_remove(&d.schedule, f);
}

// False: the outcome does not count.
static bool settle_once(const struct in_flight *s, struct outcome *o)
{
    struct outcome said = *o;
    uint64_t number =
        (uint64_t)s->generation << 32 | (uint64_t)(s - d.schedule.slots);

    if (o->no != number) {
        CHECK(!outcome_apply(&d, 0, &said));
        CHECK(batch_n(d.open_batch) == 0 && s->delivery != NULL);
        said.no = number;
    }
    CHECK(!outcome_apply(&d, 1, &said));
    CHECK(batch_n(d.open_batch) == 0 && s->delivery != NULL);
    CHECK(outcome_apply(&d, 0, &said));
    CHECK(s->delivery == NULL);
    *o = said;
    CHECK(!outcome_apply(&d, 0, &said)); // once
    return !o->is_ours;
}

static void check_outcome(struct outcome *o, uint8_t choices, uint32_t n_before)
{
    struct delivery *dv;
    struct said said;
    struct in_flight *s;
    bool had_row = (choices & HAS_ROW) != 0;
    bool counts;

    make_hook(choices);
    dv = delivery_add(&d.schedule, f, position);
    dv->notes.n_attempts = n_before;
    if (had_row)
        delivery_set_row(&d.schedule, dv, ROW_DUE);
    s = put_in_flight(dv);
    hook.active = (choices & IS_INACTIVE) == 0; // switched off meanwhile
    counts = settle_once(s, o);
    hear(&said);
    CHECK(said.n_attempts == counts);
    if (counts) {
        check_row(&said, o, n_before);
        check_place(&said, n_before, had_row);
    } else {
        CHECK(said.n_due_put + said.n_due_del + said.n_dead == 0);
        CHECK(f->first == dv && dv->notes.n_attempts == n_before);
    }
    forget(dv);
}

void fuzz_one(struct str input)
{
    uint8_t choices = take_u8(&input);
    uint32_t n_before = take_u8(&input) % 12;
    struct outcome o;
    struct buf frame;

    if (d.config == NULL)
        start();
    buf_init(&frame, 0);
    buf_putc(&frame, FRAME_OUTCOME);
    buf_put_str(&frame, input);
    if (outcome_unpack(buf_str(&frame), &o) == OK)
        check_outcome(&o, choices, n_before);
    buf_clear(&frame);
}

// --- seeds ---

bool fuzz_seed(size_t i, struct buf *out)
{
    static const uint16_t codes[] = { 200, 301, 410, 429, 500, 503, 0, 0 };
    struct outcome o = { .started_at_us = INT64_C(1790000000000000),
                         .timing = { .total_us = 4000 } };
    struct buf frame;

    if (i >= 4 * sizeof(codes) / sizeof(codes[0]))
        return false;
    o.response_code = codes[i % 8];
    if (o.response_code == 0) {
        o.error = i % 2 == 0 ? ERROR_TIMEOUT : ERROR_CONNECT;
        o.error_message = STR("no answer");
        o.is_ours = i % 2 == 1;
    } else {
        o.response_headers = STR("Retry-After: 120\r\n");
        o.response_body = STR("invalid_payload");
    }
    buf_init(&frame, 0);
    outcome_pack(&frame, &o);
    buf_putc(out, (char)(i * 7));
    buf_putc(out, (char)(i % 12));
    buf_put(out, frame.at + 1, frame.n_bytes - 1);
    buf_clear(&frame);
    return true;
}
