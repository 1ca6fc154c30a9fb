// SPDX-License-Identifier: MIT
// test_record_bytes.c — the bytes of records and frames, against a golden file: what an
// earlier version stored or sent is read, and what is stored or sent stays the same.
//
// After an intended change, write the file again and read the difference:
//   GOLDEN_WRITE=1 BUILD/tests/unit test_record_bytes && git diff tests/golden

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/messages/engine_event.h"
#include "common/messages/query.h"
#include "common/messages/send_order.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/records/hook_health.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"
#include "tests/support/unit.h"

#define GOLDEN "tests/golden/records.txt"

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

// --- what is encoded ---

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
                             .is_get = true,
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

// --- decoding, and encoding again ---

static enum err again_event(struct str in, struct buf *out)
{
    struct event e;
    struct str key;
    enum err err = event_decode(RECORD_NOWHERE, in, &e, &key);

    if (err == OK) {
        event_encode(&e, key.n_bytes > 0 ? (const uint8_t *)key.at : NULL, out);
    }
    return err;
}

// A function that decodes `in`, and encodes what came into `out`.
// NOLINTBEGIN(bugprone-macro-parentheses): a type
#define AGAIN(name, type, decode, encode)                        \
    static enum err again_##name(struct str in, struct buf *out) \
    {                                                            \
        struct type x = { 0 };                                   \
        enum err err = decode;                                   \
                                                                 \
        if (err == OK)                                           \
            encode;                                              \
        return err;                                              \
    }
// NOLINTEND(bugprone-macro-parentheses)

static uint8_t row_key[DUE_KEY_BYTES];
static struct hook_room room;
static struct unreported_dead dead_room;

AGAIN(key, key_row, key_decode(RECORD_NOWHERE, in, &x), key_encode(&x, out))
AGAIN(due, due_row,
      due_decode(RECORD_NOWHERE,
                 (struct str){ (const char *)row_key, DUE_KEY_BYTES }, in, &x),
      due_encode(&x, row_key, out))
AGAIN(dead, dead_row,
      dead_decode(RECORD_NOWHERE,
                  (struct str){ (const char *)row_key, DEAD_KEY_BYTES }, in,
                  &x),
      dead_encode(&x, row_key, out))
AGAIN(attempt, attempt, attempt_decode(RECORD_NOWHERE, in, &x),
      attempt_encode(&x, out))
AGAIN(state, shard_state, state_decode(RECORD_NOWHERE, in, &x),
      state_encode(&x, out))
AGAIN(token, token,
      token_decode(RECORD_NOWHERE, STR("0123456789abcdef0123456789abcdef"), in,
                   &x),
      token_encode(&x, out))
AGAIN(org_value, org_value,
      org_value_decode(RECORD_NOWHERE, VALUE_KEY, val_of(in), NULL, NULL, &x),
      org_value_encode(&x, VALUE_KEY, NULL, out))
AGAIN(hook, hook, hook_decode(RECORD_NOWHERE, in, NULL, &x, &room),
      hook_encode(&x, NULL, out))
AGAIN(health, hook_health, health_decode(RECORD_NOWHERE, in, &x, &dead_room),
      health_encode(&x, out))
AGAIN(replay, replay, replay_decode(in, &x), replay_encode(&x, out))
AGAIN(order, order, order_unpack(in, &x), order_pack(out, &x))
AGAIN(outcome, outcome, outcome_unpack(in, &x), outcome_pack(out, &x))
AGAIN(query, query, query_unpack(in, &x), query_pack(out, &x))
AGAIN(reply, reply, reply_unpack(in, &x), reply_pack(out, &x))
AGAIN(engine_event, engine_event, engine_event_unpack(in, &x),
      engine_event_pack(out, &x))
AGAIN(engine_event_reply, engine_event_reply, engine_event_reply_unpack(in, &x),
      engine_event_reply_pack(out, &x))
AGAIN(disable, disable, disable_unpack(in, &x), disable_pack(out, &x))

static const struct {
    const char *name;
    void (*put)(struct buf *out);
    enum err (*again)(struct str in, struct buf *out);
} kinds[] = {
    { "event", put_event, again_event },
    { "event-without-key", put_event_without_key, again_event },
    { "cloud-event", put_cloud_event, again_event },
    { "erased-event", put_erased_event, again_event },
    { "key", put_key, again_key },
    { "due", put_due, again_due },
    { "dead", put_dead, again_dead },
    { "attempt", put_attempt, again_attempt },
    { "state", put_state, again_state },
    { "token", put_token, again_token },
    { "org-value", put_org_value, again_org_value },
    { "hook", put_hook, again_hook },
    { "health", put_health, again_health },
    { "replay", put_replay, again_replay },
    { "order", put_order, again_order },
    { "outcome", put_outcome, again_outcome },
    { "query", put_query, again_query },
    { "reply", put_reply, again_reply },
    { "engine-event", put_engine_event, again_engine_event },
    { "engine-event-reply", put_engine_event_reply, again_engine_event_reply },
    { "disable", put_disable, again_disable },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

// --- tests ---

// A line of the golden file. Of long records only the beginning and a hash are there.
static void put_line(const char *name, struct str bytes, struct buf *out)
{
    size_t n_shown = bytes.n_bytes > 400 ? 400 : bytes.n_bytes;

    buf_printf(out, "%s %zu %016llx ", name, bytes.n_bytes,
               (unsigned long long)hash64(bytes, 0));
    for (size_t i = 0; i < n_shown; i++)
        buf_printf(out, "%02x", (uint8_t)bytes.at[i]);
    buf_putc(out, '\n');
}

static void bytes_are_what_they_were(void **state)
{
    struct buf lines;
    struct buf bytes;
    struct buf golden;
    char piece[4096];
    size_t n;
    FILE *file;

    (void)state;
    buf_init(&lines, 0);
    buf_init(&bytes, 0);
    buf_init(&golden, 0);
    for (size_t i = 0; i < N_KINDS; i++) {
        buf_reset(&bytes);
        kinds[i].put(&bytes);
        put_line(kinds[i].name, buf_str(&bytes), &lines);
    }
    if (getenv("GOLDEN_WRITE") != NULL) {
        file = fopen(GOLDEN, "we");
        assert_non_null(file);
        fwrite(lines.at, 1, lines.n_bytes, file);
        fclose(file);
    }
    file = fopen(GOLDEN, "re");
    assert_non_null(file);
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_put(&golden, piece, n);
    fclose(file);
    assert_string_equal(buf_cstr(&lines), buf_cstr(&golden));
    buf_clear(&lines);
    buf_clear(&bytes);
    buf_clear(&golden);
}

// An event without a key, as version 1 had it: no trace.
static void an_event_of_version_1_is_read(void **state)
{
    static const uint8_t record[] = { 0x01, 0xc4, 0x10, 0x00, 0x00, 0x00, 0x00,
                                      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                      0x00, 0x00, 0x00, 0x00, 0x00, 0xd0, 0xd8,
                                      0x01, 0x00, 0xc4, 0x00, 0xc4, 0x00, 0xc4,
                                      0x00, 0xc4, 0x00, 0xc4, 0x00, 0xc4, 0x00,
                                      0xc4, 0x00, 0xfd, 0x93, 0x07, 0xa3 };
    struct event e = { .trace = STR("other") };
    struct str key;

    (void)state;
    assert_int_equal(
        event_decode(RECORD_NOWHERE,
                     (struct str){ (const char *)record, sizeof(record) }, &e,
                     &key),
        OK);
    assert_int_equal(e.accepted_at_us, -40);
    assert_int_equal(e.trace.n_bytes, 0);
}

static void what_is_read_is_what_was_written(void **state)
{
    struct buf bytes;
    struct buf again;

    (void)state;
    buf_init(&bytes, 0);
    buf_init(&again, 0);
    for (size_t i = 0; i < N_KINDS; i++) {
        buf_reset(&bytes);
        buf_reset(&again);
        kinds[i].put(&bytes);
        assert_int_equal(kinds[i].again(buf_str(&bytes), &again), OK);
        if (!str_eq(buf_str(&bytes), buf_str(&again)))
            fail_msg("%s", kinds[i].name);
    }
    buf_clear(&bytes);
    buf_clear(&again);
}

static void what_is_cut_short_or_too_long_is_refused(void **state)
{
    struct buf bytes;
    struct buf again;

    (void)state;
    buf_init(&bytes, 0);
    buf_init(&again, 0);
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t n_bytes;

        buf_reset(&bytes);
        kinds[i].put(&bytes);
        n_bytes = bytes.n_bytes;
        buf_putc(&bytes, '\0');
        for (size_t n = 0; n <= n_bytes + 1; n += n < 700 ? 1 : 97) {
            struct str part = { bytes.at, n };
            // The first version of this record is just two numbers.
            bool is_first =
                kinds[i].put == put_health && n == HEALTH_FIRST_BYTES;

            if (n != n_bytes && !is_first && kinds[i].again(part, &again) == OK)
                fail_msg("%s of %zu bytes", kinds[i].name, n);
        }
    }
    buf_clear(&bytes);
    buf_clear(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_what_they_were),
        cmocka_unit_test(an_event_of_version_1_is_read),
        cmocka_unit_test(what_is_read_is_what_was_written),
        cmocka_unit_test(what_is_cut_short_or_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
