// SPDX-License-Identifier: MIT
// test_frames.c — frames between processes: every frame is read or refused.
//
// A sender that an intruder has taken over may attack its dispatchers, and through them
// other processes: no frame may be trusted, or read past its end.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/messages/engine_event.h"
#include "common/messages/lead_address.h"
#include "common/messages/query.h"
#include "common/messages/send_order.h"
#include "tests/support/unit.h"

#define ROUNDS 40000

static enum err read_order(struct str frame)
{
    struct order order;

    return order_unpack(frame, &order);
}

static enum err read_outcome(struct str frame)
{
    struct outcome outcome;
    enum err err = outcome_unpack(frame, &outcome);

    if (err == OK) { // what it points to lies within the frame
        assert_true(outcome.response_body.n_bytes <= frame.n_bytes);
        assert_true(outcome.response_headers.n_bytes <= frame.n_bytes);
        assert_true(outcome.error_message.n_bytes <= frame.n_bytes);
    }
    return err;
}

static enum err read_ask(struct str frame)
{
    struct query ask;

    return query_unpack(frame, &ask);
}

static enum err read_answer(struct str frame)
{
    struct reply answer;

    return reply_unpack(frame, &answer);
}

static enum err read_engine_event(struct str frame)
{
    struct engine_event engine_event;
    enum err err = engine_event_unpack(frame, &engine_event);

    if (err == OK)
        assert_true(engine_event.payload.n_bytes <= frame.n_bytes);
    return err;
}

static enum err read_engine_event_reply(struct str frame)
{
    struct engine_event_reply reply;

    return engine_event_reply_unpack(frame, &reply);
}

static enum err read_disable(struct str frame)
{
    struct disable disable;

    return disable_unpack(frame, &disable);
}

static enum err read_lead_address(struct str frame)
{
    struct lead_address lead;

    return lead_address_unpack(frame, &lead);
}

// --- good ones ---

static void put_order(struct buf *b)
{
    struct order order = { .no = 7,
                           .url = STR("https://example.com/"),
                           .headers = STR("A: b\0C: d\0"),
                           .body = STR("{\"n\":1}"),
                           .client_cert = STR("PEM"),
                           .client_key = STR("PEM"),
                           .connect_timeout_ms = 1000,
                           .request_timeout_ms = 2000 };

    order_pack(b, &order);
}

static void put_outcome(struct buf *b)
{
    struct outcome outcome = { .no = 7,
                               .started_at_us = 1,
                               .error = ERROR_NONE,
                               .response_code = 200,
                               .response_headers = STR("A: b\r\n"),
                               .response_body = STR("ok") };

    outcome_pack(b, &outcome);
}

static void put_ask(struct buf *b)
{
    struct query ask = { .no = 1, .what = QUERY_REDELIVER, .hook_id = 9 };

    query_pack(b, &ask);
}

static void put_answer(struct buf *b)
{
    struct reply answer = { .no = 1, .err = ERR_GONE, .text = STR("{}") };

    reply_pack(b, &answer);
}

static void put_engine_event(struct buf *b)
{
    struct engine_event engine_event = { .dialect = 1,
                                         .kind = STR("posthorn.hook.disabled"),
                                         .org = STR("acme"),
                                         .payload = STR("{}") };

    engine_event_pack(b, &engine_event);
}

static void put_engine_event_reply(struct buf *b)
{
    struct engine_event_reply reply = { .err = ERR_FULL };

    engine_event_reply_pack(b, &reply);
}

static void put_disable(struct buf *b)
{
    struct disable disable = { .hook_id = 3, .revision = 4, .reason = 1 };

    disable_pack(b, &disable);
}

static void put_lead_address(struct buf *b)
{
    struct lead_address lead = { .api = STR("10.0.0.1:8080"),
                                 .ingest = STR("[fd00::1]:8081"),
                                 .wants_clients = true };

    lead_address_pack(b, &lead);
}

static const struct {
    const char *name;
    void (*put)(struct buf *b);
    enum err (*read)(struct str frame);
} frames[] = {
    { "order", put_order, read_order },
    { "outcome", put_outcome, read_outcome },
    { "ask", put_ask, read_ask },
    { "answer", put_answer, read_answer },
    { "engine event", put_engine_event, read_engine_event },
    { "reply to an engine event", put_engine_event_reply,
      read_engine_event_reply },
    { "disable", put_disable, read_disable },
    { "lead", put_lead_address, read_lead_address },
};

#define N_FRAMES (sizeof(frames) / sizeof(frames[0]))

// A copy of its own size, so that the sanitizer sees a byte too far.
static enum err read_exactly(size_t which, const char *at, size_t n_bytes)
{
    char *copy = xmalloc(n_bytes > 0 ? n_bytes : 1);
    enum err err;

    memcpy(copy, at, n_bytes);
    err = frames[which].read((struct str){ copy, n_bytes });
    free(copy);
    return err;
}

static void check(size_t i, size_t k, const struct buf *b)
{
    enum err err = read_exactly(k, b->at, b->n_bytes);

    if ((err == OK) != (i == k)) {
        fail_msg("%s read as %s: %s", frames[i].name, frames[k].name,
                 err_str(err));
    }
}

static void each_reads_its_own_and_no_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FRAMES; i++) {
        struct buf b;

        buf_init(&b, 0);
        frames[i].put(&b);
        for (size_t k = 0; k < N_FRAMES; k++)
            check(i, k, &b);
        buf_clear(&b);
    }
}

static void cut_and_longer_ones_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FRAMES; i++) {
        struct buf b;

        buf_init(&b, 0);
        frames[i].put(&b);
        for (size_t n = 0; n < b.n_bytes; n++)
            assert_int_equal(read_exactly(i, b.at, n), ERR_CORRUPT);
        buf_putc(&b, '\0');
        assert_int_equal(read_exactly(i, b.at, b.n_bytes), ERR_CORRUPT);
        buf_clear(&b);
    }
}

static uint32_t next(uint64_t *chance)
{
    *chance =
        *chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*chance >> 33);
}

static void damaged_ones_are_read_or_refused(void **state)
{
    uint64_t chance = 20261121;

    (void)state;
    for (size_t i = 0; i < N_FRAMES; i++) {
        struct buf b;
        struct buf damaged;

        buf_init(&b, 0);
        buf_init(&damaged, 0);
        frames[i].put(&b);
        for (unsigned n = 0; n < ROUNDS; n++) {
            buf_reset(&damaged);
            buf_put(&damaged, b.at, b.n_bytes);
            for (uint32_t k = next(&chance) % 4; k-- > 0;) {
                damaged.at[next(&chance) % damaged.n_bytes] =
                    (char)next(&chance);
            }
            damaged.n_bytes -= next(&chance) % 3 % damaged.n_bytes;
            (void)!read_exactly(i, damaged.at, damaged.n_bytes);
        }
        buf_clear(&b);
        buf_clear(&damaged);
    }
}

static void noise_is_read_or_refused(void **state)
{
    uint64_t chance = 7;
    char noise[64];

    (void)state;
    for (unsigned n = 0; n < ROUNDS; n++) {
        size_t n_bytes = next(&chance) % sizeof(noise);

        for (size_t i = 0; i < n_bytes; i++)
            noise[i] = (char)next(&chance);
        noise[0] = (char)(1 + n % 8); // a type that there is
        for (size_t i = 0; i < N_FRAMES; i++)
            (void)!read_exactly(i, noise, n_bytes);
    }
}

static const struct outcome answered = { .no = 7,
                                         .started_at_us =
                                             INT64_C(1760000000000000),
                                         .response_code = 200,
                                         .timing = { .dns_us = 1,
                                                     .connect_us = 2,
                                                     .tls_us = 3,
                                                     .first_byte_us = 4,
                                                     .total_us = 5 } };

static enum err say(struct outcome outcome)
{
    struct buf b;
    enum err err;

    buf_init(&b, 0);
    outcome_pack(&b, &outcome);
    err = outcome_unpack(buf_str(&b), &outcome);
    buf_clear(&b);
    return err;
}

static void each_number_of_an_outcome_has_its_range(void **state)
{
    static const int64_t never[] = { INT64_MIN, -1, INT64_MAX };
    struct outcome o = answered;

    (void)state;
    assert_int_equal(say(o), OK);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        int64_t *const fields[] = {
            &o.started_at_us, &o.timing.dns_us,        &o.timing.connect_us,
            &o.timing.tls_us, &o.timing.first_byte_us, &o.timing.total_us
        };

        for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
            o = answered;
            *fields[k] = never[i];
            assert_int_equal(say(o), ERR_CORRUPT);
        }
    }
    o = answered;
    o.started_at_us = 0;
    assert_int_equal(say(o), ERR_CORRUPT);
}

static void an_outcome_is_an_answer_or_an_error(void **state)
{
    static const uint16_t codes[] = { 0, 1, 99, 1000, UINT16_MAX };
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        o = answered;
        o.response_code = codes[i];
        assert_int_equal(say(o), ERR_CORRUPT);
    }
    for (int error = ERROR_DNS; error <= ERROR_GONE + 1; error++) {
        bool is_dispatchers = error == ERROR_STATUS || error >= ERROR_GONE;

        o = answered;
        o.error = (enum error_class)error;
        assert_int_equal(say(o), ERR_CORRUPT);
        o.response_code = 0;
        assert_int_equal(say(o), is_dispatchers ? ERR_CORRUPT : OK);
    }
    o = answered;
    o.is_ours = true; // no attempt was made, and yet an answer came
    assert_int_equal(say(o), ERR_CORRUPT);
}

// Handed over 5 s ago, so it neither began earlier nor took longer.
static void times_lie_within_the_attempt(void **state)
{
    const int64_t now_us = answered.started_at_us + 3000000;
    struct outcome o = answered;

    (void)state;
    outcome_fit_into(&o, now_us, 5000000);
    assert_int_equal(o.started_at_us, answered.started_at_us);
    assert_int_equal(o.timing.total_us, answered.timing.total_us);
    assert_int_equal(o.timing.tls_us, answered.timing.tls_us);
    o.started_at_us = now_us + INT64_C(86400000000);
    o.timing.total_us = 9000000;
    o.timing.dns_us = 8000000;
    outcome_fit_into(&o, now_us, 5000000);
    assert_int_equal(o.started_at_us, now_us);
    assert_int_equal(o.timing.total_us, 5000000);
    assert_int_equal(o.timing.dns_us, 5000000);
    o.started_at_us = 1;
    outcome_fit_into(&o, now_us, 5000000);
    assert_true(o.started_at_us >= now_us - 6000000);
    assert_true(o.started_at_us <= now_us - 5000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reads_its_own_and_no_other),
        cmocka_unit_test(cut_and_longer_ones_are_refused),
        cmocka_unit_test(damaged_ones_are_read_or_refused),
        cmocka_unit_test(noise_is_read_or_refused),
        cmocka_unit_test(each_number_of_an_outcome_has_its_range),
        cmocka_unit_test(an_outcome_is_an_answer_or_an_error),
        cmocka_unit_test(times_lie_within_the_attempt),
    };

    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
