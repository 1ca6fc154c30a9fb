// SPDX-License-Identifier: MIT
// shard_records.h — a record of each kind that a shard has, for nine hooks.

#ifndef TESTS_SUPPORT_SHARD_RECORDS_H
#define TESTS_SUPPORT_SHARD_RECORDS_H

#include "common/base/codec.h"
#include "tests/support/queue_fixture.h"

#define N_HOOKS  9
#define N_EVENTS 6
#define ORG      (UINT64_C(1) << 63 | 1)
#define S        INT64_C(1000000)
#define NOTED_S  3600                   // when the statistics were noted
#define MADE_MS  INT64_C(1700000000000) // when the replays were started

// The events of each hook, by number: what becomes of them.
enum { DUE_1 = 1, DUE_2, DEAD, DELIVERED, CANCELLED, REPLAYED };

// An id that nothing else has. Its first bytes choose the shard of an event of the
// engine's own.
static inline struct id id_of(uint8_t kind, uint64_t hook_id)
{
    return (
        struct id){ .bytes = { kind, 1, 2, 3, 4, 5, 6, (uint8_t)hook_id, 9 } };
}

static inline struct hook_health health_of(uint64_t hook_id,
                                           struct unreported_dead *dead)
{
    *dead = (struct unreported_dead){ .n = hook_id,
                                      .first = id_of(1, hook_id),
                                      .last = id_of(2, hook_id),
                                      .newest = STR("{\"attempts\":3}") };
    return (struct hook_health){ .n_failed = (uint32_t)hook_id,
                                 .failing_since_ms = 1000 + (int64_t)hook_id,
                                 .failing_ms = 77,
                                 .failed_at_ran_ms = 55,
                                 .error = ERROR_TIMEOUT,
                                 .cause = FAILING_COUNT,
                                 .percent_told = 50,
                                 .is_alarmed = true,
                                 .dead = dead };
}

enum { BY_FILTER, BY_IDS, OF_UNMATCHED, REPLAYS };

static inline struct replay replay_of(uint64_t hook_id, uint8_t kind)
{
    struct replay r = { .id = id_of(kind, 0), // hooks share it
                        .hook_id = hook_id,
                        .org_id = ORG,
                        .state = REPLAY_RUNNING,
                        .created_at_ms = MADE_MS,
                        .rate_per_second = 5,
                        .filter = { .states = 1U << DELIVERY_DEAD,
                                    .kinds = { STR("a.*") },
                                    .n_kinds = 1,
                                    .since_us = 3,
                                    .until_us = INT64_MAX },
                        .next = 2,
                        .end = 5,
                        .matched = 10 + hook_id,
                        .delivered = 1,
                        .dead = 2,
                        .cancelled = 3,
                        .retrying = 1 };

    if (kind == BY_IDS)
        r.ids = STR("0123456789abcdef0123456789ABCDEF");
    r.unmatched = kind == OF_UNMATCHED;
    if (kind == OF_UNMATCHED) {
        r.state = REPLAY_CANCELLED;
        r.ended_at_ms = MADE_MS + 9;
    }
    return r;
}

static inline struct due_row due_of(uint64_t hook_id, uint64_t event)
{
    struct due_row row = due(hook_id, (int64_t)(event * 100), event);

    row.n_crashes = 1;
    row.replay = event == DUE_2 ? 4711 : 0;
    row.n_before = event == DUE_2 ? 1 : 0;
    row.ordering_key = hook_id * 3;
    row.not_before_ms = 88;
    row.payload_bytes = 7;
    return row;
}

static inline struct attempt attempt_of(uint64_t hook_id, uint64_t event)
{
    static const enum delivery_state states[] = {
        [DUE_1] = DELIVERY_RETRYING,      [DUE_2] = DELIVERY_RETRYING,
        [DEAD] = DELIVERY_DEAD,           [DELIVERED] = DELIVERY_DELIVERED,
        [CANCELLED] = DELIVERY_CANCELLED, [REPLAYED] = DELIVERY_DELIVERED
    };

    return (struct attempt){
        .hook_id = hook_id,
        .org_id = ORG,
        .position = nth(event),
        .event_id = id_of(7, event),
        .kind = STR("a.b"),
        .accepted_at_us = 5,
        .started_at_us = (int64_t)(hook_id * 100 + event) * S,
        .attempt = 1,
        .state = states[event],
        .error =
            states[event] == DELIVERY_DELIVERED ? ERROR_NONE : ERROR_STATUS,
        .response_code = states[event] == DELIVERY_DELIVERED ? 200 : 500,
        .timing = { .queue_us = 10, .total_us = 1000 },
        .request_url = STR("http://x/"),
        .response_body = STR("the answer"),
    };
}

static inline void put_hook(struct shard_batch *c, uint64_t hook_id)
{
    const struct dead_row dead = { .hook_id = hook_id,
                                   .position = nth(DEAD),
                                   .dead_at_ms = 99,
                                   .n_attempts = 4,
                                   .queue_us = 44 };
    const struct event own = { .id = id_of((uint8_t)hook_id, hook_id),
                               .accepted_at_us = 5,
                               .dialect = DIALECT_PULUMI,
                               .kind = STR("posthorn.hook.failing"),
                               .org = STR("acme"),
                               .payload = STR("{\"own\":1}") };
    struct unreported_dead unreported;
    struct hook_health health = health_of(hook_id, &unreported);
    struct stats stats;

    stats_init(&stats);
    for (uint64_t event = 1; event <= N_EVENTS; event++) {
        struct attempt a = attempt_of(hook_id, event);
        struct due_row row = due_of(hook_id, event);

        batch_attempt(c, &a);
        stats_note(&stats, &a);
        batch_count(c, COUNT_MATCHED, 1);
        if (event <= DUE_2)
            batch_due_put(c, &row);
        batch_count(c, COUNT_DELIVERED, a.state == DELIVERY_DELIVERED);
        batch_count(c, COUNT_CANCELLED, a.state == DELIVERY_CANCELLED);
    }
    batch_stats(c, hook_id, NOTED_S, &stats);
    batch_stats(c, ORG, NOTED_S, &stats);
    batch_dead_put(c, &dead);
    batch_health(c, hook_id, &health);
    batch_outbox_put(c, &own);
    for (unsigned kind = BY_FILTER; kind < REPLAYS; kind++) {
        struct replay r = replay_of(hook_id, (uint8_t)kind);

        batch_replay_put(c, &r);
    }
    stats_clear(&stats);
}

// Lists all events: the home shard of their organization notes those that no hook of its
// own wants, too.
static inline void put_list(struct shard_batch *c, unsigned k,
                            unsigned n_shards)
{
    struct listed_row row = { .dialect = DIALECT_PULUMI,
                              .org = STR("acme"),
                              .newest_us = 5 };
    uint32_t n_hooks = 0;

    for (uint64_t hook_id = 1; hook_id <= N_HOOKS; hook_id++)
        n_hooks += queue_shard_of(hook_id, n_shards) == k;
    if (n_hooks == 0 && listed_home(row.dialect, row.org, n_shards) != k)
        return;
    for (uint64_t n = 1; n <= N_EVENTS; n++) {
        row.events[row.n++] =
            (struct listed_event){ get_be64(nth(n).bytes), n_hooks,
                                   listed_kind(STR("a.b")) };
    }
    batch_listed_put(c, &row);
}

// Adds what the shard lists; `n_matched` is by the number of the event. False: the list is
// not as put_list() made it.
static inline bool add_list(struct shard_view *view, uint32_t *n_matched)
{
    struct listed_range range;
    struct listed_row row;
    enum err err =
        shard_view_listed(view, DIALECT_PULUMI, STR("acme"), UINT64_MAX, &row);

    if (shard_view_listed_range(view, &range) != OK ||
        position_cmp(range.from, position_start) != 0 ||
        position_cmp(range.to, nth(N_EVENTS)) != 0)
        return false;
    if (err != OK)
        return err == ERR_NOTFOUND;
    for (uint64_t n = 1; n <= N_EVENTS; n++) {
        const struct listed_event *event = &row.events[n - 1];

        if (event->number != get_be64(nth(n).bytes) ||
            event->kind != listed_kind(STR("a.b")))
            return false;
        n_matched[n] += event->n_matched;
    }
    return row.n == N_EVENTS && row.newest_us == 5;
}

#endif
