// SPDX-License-Identifier: MIT
// record_samples.h — one record or frame of each kind, encoded: the same bytes each time.

#ifndef TESTS_SUPPORT_RECORD_SAMPLES_H
#define TESTS_SUPPORT_RECORD_SAMPLES_H

#include <string.h>

#include "common/base/codec.h"
#include "common/messages/engine_event.h"
#include "common/messages/query.h"
#include "common/messages/send_order.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/records/hook_health.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"

// Numbers of every length, negative ones where a field may be negative.
#define BIG UINT64_C(0xfedcba9876543210)

static struct id id_of(uint8_t first)
{
    struct id id;

    for (size_t i = 0; i < sizeof(id.bytes); i++)
        id.bytes[i] = (uint8_t)(first + i);
    return id;
}

static struct str long_text(size_t n_bytes)
{
    static char text[70000];

    memset(text, 'l', sizeof(text));
    return (struct str){ text, n_bytes };
}

#define VALUE_KEY val_of(STR("value\00212345678order.created"))

static void put_org_value(struct buf *out)
{
    org_value_encode(&(struct org_value){ .revision = BIG, .bytes = STR("{}") },
                     VALUE_KEY, NULL, out);
}

static void put_event(struct buf *out)
{
    const uint8_t key[16] = "0123456789abcde";
    const struct event e = { .id = id_of(1),
                             .accepted_at_us = 1790000000123456,
                             .dialect = DIALECT_AKINON,
                             .filters = BIG,
                             .kind = STR("order.created"),
                             .org = STR("acme"),
                             .project = STR("web"),
                             .stack = STR("prod"),
                             .env = STR("dev"),
                             .payload = long_text(300),
                             .trace = STR("00-0af7651916cd43dd8448eb211c80319c-"
                                          "b7ad6b7169203331-01 vendor=1") };

    event_encode(&e, key, out);
}

static void put_cloud_event(struct buf *out)
{
    const struct event e = { .dialect = DIALECT_PULUMI,
                             .kind = STR("a.b"),
                             .payload = STR("null"),
                             .cloud = STR("{\"source\":\"/shop\"}") };

    event_encode(&e, NULL, out);
}

static void put_sealed_event(struct buf *out)
{
    const struct event e = { .dialect = DIALECT_PULUMI,
                             .kind = STR("a.b"),
                             .payload = STR("sealed"),
                             .flags = EVENT_PAYLOAD_SEALED };

    event_encode(&e, NULL, out);
}

static void put_sealed_attempt(struct buf *out)
{
    const struct attempt a = { .state = DELIVERY_DELIVERED,
                               .kind = STR("a.b"),
                               .sealed = STR("sealed") };

    attempt_encode(&a, out);
}

static void put_erased_event(struct buf *out)
{
    const struct event e = { .dialect = DIALECT_PULUMI,
                             .kind = STR("a.b"),
                             .flags = EVENT_PAYLOAD_ERASED,
                             .erased_at_ms = 1790000000123 };

    event_encode(&e, NULL, out);
}

static void put_event_without_key(struct buf *out)
{
    const struct event e = { .dialect = DIALECT_PULUMI, .accepted_at_us = -40 };

    event_encode(&e, NULL, out);
}

static void put_key(struct buf *out)
{
    const struct key_row k = { .position = position_of(70000),
                               .accepted_at_us = 127,
                               .event_id = id_of(9),
                               .content = "fedcba987654321" };

    key_encode(&k, out);
}

static void put_due(struct buf *out)
{
    const struct due_row r = { .n_attempts = UINT32_MAX,
                               .n_crashes = 128,
                               .queue_us = -129,
                               .not_before_ms = INT64_MIN,
                               .ordering_key = BIG,
                               .replay = 65536,
                               .n_before = 255,
                               .payload_bytes = 256 };
    uint8_t key[DUE_KEY_BYTES];

    due_encode(&r, key, out);
}

static void put_dead(struct buf *out)
{
    const struct dead_row r = { .dead_at_ms = INT64_MAX,
                                .n_attempts = 65535,
                                .queue_us = -32 };
    uint8_t key[DEAD_KEY_BYTES];

    dead_encode(&r, key, out);
}

static void put_attempt(struct buf *out)
{
    const struct attempt a = { .hook_id = 7,
                               .org_id = (UINT64_C(1) << 63) + 1,
                               .position = position_of(1234567),
                               .event_id = id_of(100),
                               .kind = STR("stack_update"),
                               .accepted_at_us = 1790000000000000,
                               .started_at_us = 1790000000200000,
                               .attempt = 300,
                               .state = DELIVERY_RETRYING,
                               .next_attempt_at_ms = 1790000005000,
                               .due_at_ms = -2147483649,
                               .error = ERROR_STATUS,
                               .error_message = STR("why"),
                               .response_code = 503,
                               .truncated = true,
                               .timing = { 1, -33, 128, 32768, 65537, -128,
                                           true },
                               .request_url = STR("http://x/"),
                               .request_headers = STR("A: b\r\n"),
                               .response_headers = STR("C: d\r\n"),
                               .response_body = long_text(66000),
                               .payload = STR("{}") };

    attempt_encode(&a, out);
}

static void put_state(struct buf *out)
{
    struct shard_state s = { .cursor = position_of(5),
                             .next_no = 6,
                             .trimmed_delivered = 300,
                             .trimmed_others = 70000,
                             .stats_from = BIG,
                             .longest_ms = 9,
                             .last_org = (UINT64_C(1) << 63) + 4,
                             .clock_ms = 1790000000000,
                             .ran_ms = 12,
                             .n_handovers = 2 };

    for (size_t i = 0; i < COUNTS; i++)
        s.counts[i] = (int64_t)i * 100 - 150;
    for (uint32_t i = 0; i < 2; i++) {
        s.handovers[i].n_shards = i + 1;
        for (uint32_t k = 0; k <= i; k++)
            s.handovers[i].cursors[k] = position_of(i * 10 + k);
    }
    state_encode(&s, out);
}

static void put_token(struct buf *out)
{
    const struct token t = { .id = STR("abc"),
                             .org = STR("acme"),
                             .scopes = TOKEN_INGEST | TOKEN_WRITE,
                             .name = STR("ci"),
                             .created_at_ms = 1790000000000,
                             .expires_at_ms = 1 };

    token_encode(&t, out);
}

static void put_hook(struct buf *out)
{
    struct str kinds[] = { STR("a.b"), STR("c.*") };
    const struct hook h = { .no = 17,
                            .revision = 1000,
                            .scope = { DIALECT_PULUMI, LEVEL_STACK, STR("acme"),
                                       STR("web"), STR("prod") },
                            .name = STR("n"),
                            .display_name = STR("d"),
                            .url = STR("http://x/"),
                            .format = FORMAT_SLACK,
                            .active = true,
                            .paused = true,
                            .from = position_of(99),
                            .filters = BIG,
                            .groups = 3,
                            .kinds = kinds,
                            .n_kinds = 2,
                            .filter_order = STR("\x01\xff\x02"),
                            .secret_headers = 5,
                            .policy = { STR("5s,30s"), 7000, 3, 200, 70000,
                                        true, STR("customer.id") },
                            .client_cert = STR("cert"),
                            .disabled = HOOK_FAILING,
                            .is_operator = true,
                            .lower_headers = true,
                            .secret_at_ms = 1790000000001,
                            .pattern = STR("{}"),
                            .trace_context = true,
                            .handshake = { .is_wanted = true,
                                           .answer = HANDSHAKE_ALLOWED,
                                           .rate_per_minute = 100000,
                                           .url_sha256 =
                                               STR("0123456789abcdef"
                                                   "0123456789abcdef"),
                                           .origin = STR("a.example"),
                                           .reason = STR("because"),
                                           .at_ms = 1790000000003 },
                            .signing = SIGNING_ORGANIZATION,
                            .disabled_at_ms = 1,
                            .created_at_ms = 2,
                            .updated_at_ms = -3 };

    hook_encode(&h, NULL, out);
}

static void put_health(struct buf *out)
{
    const struct unreported_dead dead = { 3, id_of(1), id_of(2), STR("{}") };
    const struct hook_health h = { .failing_since_ms = 1790000000000,
                                   .told_disabled_at_ms = 1,
                                   .failing_ms = 200,
                                   .failed_at_ran_ms = 3000,
                                   .alarmed_at_ran_ms = 70000,
                                   .dead_told_at_ran_ms = -1,
                                   .n_failed = 10,
                                   .n_same = 9,
                                   .response_code = 500,
                                   .error = ERROR_GONE,
                                   .cause = FAILING_HALF,
                                   .percent_told = 200,
                                   .is_alarmed = true,
                                   .is_end_owed = true,
                                   .dead = &dead };

    health_encode(&h, out);
}

static void put_replay(struct buf *out)
{
    const struct replay r = { .id = id_of(50),
                              .hook_id = 7,
                              .org_id = (UINT64_C(1) << 63) + 4,
                              .state = REPLAY_CANCELLED,
                              .created_at_ms = 1,
                              .ended_at_ms = 2,
                              .rate_per_second = 1000,
                              .filter = { .states = 6,
                                          .errors = 1023,
                                          .has_code = true,
                                          .code = 404,
                                          .kinds = { STR("x"), STR("y.*") },
                                          .n_kinds = 2,
                                          .since_us = INT64_MIN,
                                          .until_us = INT64_MAX },
                              .ids = STR("0123456789abcdef"),
                              .unmatched = true,
                              .next = 1,
                              .end = 2,
                              .matched = 300,
                              .delivered = 4,
                              .dead = 5,
                              .cancelled = 6,
                              .retrying = 7 };

    replay_encode(&r, out);
}

static void put_order(struct buf *out)
{
    const struct order o = { .no = BIG,
                             .url = STR("http://x/"),
                             .headers = { "A: b", 5 },
                             .body = long_text(500),
                             .client_cert = STR("cert"),
                             .client_key = STR("key"),
                             .hook_no = 300,
                             .method = ORDER_OPTIONS,
                             .connect_timeout_ms = 5000,
                             .request_timeout_ms = 30000 };

    order_pack(out, &o);
}

static void put_outcome(struct buf *out)
{
    const struct outcome o = { .no = 4,
                               .started_at_us = 1790000000200000,
                               .response_code = 204,
                               .truncated = true,
                               .timing = { 0, 1, 200, 30000, 400000, 500000,
                                           true },
                               .response_headers = STR("A: b\r\n"),
                               .response_body = STR("ok") };

    outcome_pack(out, &o);
}

static void put_query(struct buf *out)
{
    const struct query q = { .no = 4,
                             .what = QUERY_DISCARD,
                             .hook_id = 300,
                             .event_id = id_of(3),
                             .dialect = DIALECT_AKINON,
                             .is_dry = true,
                             .is_admin = true,
                             .org = STR("acme"),
                             .project = STR("web"),
                             .text = STR("text"),
                             .event = STR("{}"),
                             .by = STR("me"),
                             .after = STR("0123456789abcdef"),
                             .max = BIG };

    query_pack(out, &q);
}

static void put_reply(struct buf *out)
{
    const struct reply r = { .no = 4,
                             .err = ERR_FULL,
                             .position = "1234567",
                             .event_id = id_of(3),
                             .started_at_us = -4,
                             .text = STR("text"),
                             .n = 5,
                             .n_gone = 600 };

    reply_pack(out, &r);
}

static void put_engine_event(struct buf *out)
{
    const struct engine_event e = { .id = id_of(6),
                                    .dialect = DIALECT_PULUMI,
                                    .accepted_at_us = 1790000000200000,
                                    .kind = STR("posthorn.alarm"),
                                    .org = STR("acme"),
                                    .project = STR("web"),
                                    .stack = STR("prod"),
                                    .env = STR("dev"),
                                    .payload = STR("{}") };

    engine_event_pack(out, &e);
}

static void put_engine_event_reply(struct buf *out)
{
    const struct engine_event_reply r = { id_of(6), ERR_FULL };

    engine_event_reply_pack(out, &r);
}

static void put_disable(struct buf *out)
{
    const struct disable d = { 300, 70000, HOOK_GONE };

    disable_pack(out, &d);
}

#endif
