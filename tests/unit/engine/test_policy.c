// SPDX-License-Identifier: MIT
// test_policy.c — the pure parts of delivery: retry, signatures, request,
// orders, address guard.

#include <string.h>
#include <sys/socket.h>

#include "common/config/config.h"
#include "common/config/config_types.h"
#include "common/encoding/crypto.h"
#include "common/messages/send_order.h"
#include "common/model/trace.h"
#include "engine/delivery/request_headers.h"
#include "engine/delivery/retry.h"
#include "engine/delivery/retry_after.h"
#include "engine/delivery/signature.h"
#include "engine/sender/address_guard.h"
#include "tests/support/unit.h"

// --- retry ---

static const int64_t waits_ms[] = { 1000, 10000, 100000 };

static struct verdict decide(enum error_class error, uint16_t status,
                             uint32_t n_attempts)
{
    const struct attempt_end end = { .error = error,
                                     .response_code = status,
                                     .n_attempts = n_attempts,
                                     .retry_after_ms = -1 };
    const struct retry_policy policy = { waits_ms, 3, UINT32_MAX / 2, 0 };

    return retry_decide(&end, &policy);
}

static void retry_follows_the_outcome_table(void **state)
{
    static const struct {
        enum error_class error;
        uint16_t status;
        uint32_t n_attempts;
        enum verdict_kind kind;
        enum error_class as;
    } cases[] = {
        { ERROR_NONE, 200, 1, VERDICT_DELIVERED, ERROR_NONE },
        { ERROR_NONE, 204, 4, VERDICT_DELIVERED, ERROR_NONE },
        { ERROR_NONE, 299, 1, VERDICT_DELIVERED, ERROR_NONE },
        { ERROR_NONE, 199, 1, VERDICT_RETRY, ERROR_STATUS },
        { ERROR_NONE, 300, 1, VERDICT_RETRY, ERROR_STATUS },
        { ERROR_NONE, 302, 1, VERDICT_RETRY, ERROR_STATUS },
        { ERROR_NONE, 404, 3, VERDICT_RETRY, ERROR_STATUS },
        { ERROR_NONE, 500, 3, VERDICT_RETRY, ERROR_STATUS },
        { ERROR_NONE, 500, 4, VERDICT_DEAD, ERROR_STATUS },
        { ERROR_NONE, 410, 1, VERDICT_DEAD, ERROR_GONE },
        { ERROR_DNS, 0, 1, VERDICT_RETRY, ERROR_DNS },
        { ERROR_TIMEOUT, 0, 4, VERDICT_DEAD, ERROR_TIMEOUT },
        { ERROR_BLOCKED, 0, 2, VERDICT_RETRY, ERROR_BLOCKED },
        { ERROR_BLOCKED, 0, 3, VERDICT_DEAD, ERROR_BLOCKED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct verdict v =
            decide(cases[i].error, cases[i].status, cases[i].n_attempts);

        assert_int_equal(v.kind, cases[i].kind);
        assert_int_equal(v.error, cases[i].as);
    }
}

static void attempts_tell_about_the_receiver(void **state)
{
    static const struct {
        enum error_class error;
        uint16_t status;
        enum feedback feedback;
    } cases[] = {
        { ERROR_NONE, 200, FEEDBACK_ANSWERED },
        { ERROR_NONE, 302, FEEDBACK_ANSWERED },
        { ERROR_NONE, 404, FEEDBACK_ANSWERED },
        { ERROR_NONE, 410, FEEDBACK_ANSWERED },
        { ERROR_NONE, 408, FEEDBACK_ANSWERED },
        { ERROR_NONE, 429, FEEDBACK_OVERLOADED },
        { ERROR_NONE, 500, FEEDBACK_ANSWERED },
        { ERROR_NONE, 501, FEEDBACK_ANSWERED },
        { ERROR_NONE, 502, FEEDBACK_OVERLOADED },
        { ERROR_NONE, 503, FEEDBACK_OVERLOADED },
        { ERROR_NONE, 504, FEEDBACK_OVERLOADED },
        { ERROR_DNS, 0, FEEDBACK_UNREACHABLE },
        { ERROR_CONNECT, 0, FEEDBACK_UNREACHABLE },
        { ERROR_TLS, 0, FEEDBACK_UNREACHABLE },
        { ERROR_TIMEOUT, 0, FEEDBACK_UNREACHABLE },
        { ERROR_RESET, 0, FEEDBACK_UNREACHABLE },
        { ERROR_PROTOCOL, 0, FEEDBACK_ANSWERED },
        { ERROR_BLOCKED, 0, FEEDBACK_ANSWERED },
        { ERROR_STATUS, 200, FEEDBACK_ANSWERED }, // the body reports an error
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct verdict v = decide(cases[i].error, cases[i].status, 1);

        if (v.feedback != cases[i].feedback) {
            fail_msg("error %d status %u: feedback %d", cases[i].error,
                     cases[i].status, v.feedback);
        }
        assert_int_equal(v.is_gone, cases[i].status == 410);
    }
}

static void least_waits_and_wishes_are_kept(void **state)
{
    const struct retry_policy policy = { .waits_ms = waits_ms,
                                         .n_waits = 3,
                                         .jitter = UINT32_MAX / 2,
                                         .overload_wait_ms = 60000 };
    struct attempt_end end = { .response_code = 429,
                               .n_attempts = 1,
                               .retry_after_ms = -1 };
    struct verdict v = retry_decide(&end, &policy);

    (void)state;
    assert_in_range(v.delay_ms, 59000, 61000);
    assert_int_equal(v.pause_ms, 0);
    end.retry_after_ms = 90000;
    v = retry_decide(&end, &policy);
    assert_int_equal(v.delay_ms, 90000);
    assert_int_equal(v.pause_ms, 90000);
    end.response_code = 500; // is for this one only
    v = retry_decide(&end, &policy);
    assert_int_equal(v.delay_ms, 90000);
    assert_int_equal(v.pause_ms, 0);
    end = (struct attempt_end){ .error = ERROR_TIMEOUT,
                                .n_attempts = 1,
                                .retry_after_ms = -1 };
    assert_in_range(retry_decide(&end, &policy).delay_ms, 59000, 61000);
    end.error = ERROR_CONNECT;
    assert_in_range(retry_decide(&end, &policy).delay_ms, 900, 1100);
    end.n_attempts = 3; // a longer wait stays as it is
    end.error = ERROR_TIMEOUT;
    assert_in_range(retry_decide(&end, &policy).delay_ms, 99000, 101000);
}

static void our_own_want_is_no_attempt(void **state)
{
    const struct retry_policy policy = { waits_ms, 3, 0, 0 };
    struct attempt_end end = { .error = ERROR_CONNECT,
                               .is_ours = true,
                               .n_attempts = 4,
                               .retry_after_ms = -1 };
    struct verdict v = retry_decide(&end, &policy);

    (void)state;
    assert_int_equal(v.kind, VERDICT_AGAIN);
    assert_int_equal(v.delay_ms, OURS_WAIT_MS);
    assert_int_equal(v.feedback, FEEDBACK_ANSWERED);
}

static void retry_waits_follow_the_schedule_with_jitter(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 3; n++) {
        const struct attempt_end end = { .response_code = 500,
                                         .n_attempts = n,
                                         .retry_after_ms = -1 };
        const struct retry_policy least = { waits_ms, 3, 0, 0 };
        const struct retry_policy most = { waits_ms, 3, UINT32_MAX, 0 };

        assert_int_equal(retry_decide(&end, &least).delay_ms,
                         waits_ms[n - 1] * 8 / 10);
        assert_int_equal(retry_decide(&end, &most).delay_ms,
                         waits_ms[n - 1] * 12 / 10);
    }
}

static void a_receiver_may_ask_for_a_longer_wait(void **state)
{
    const struct retry_policy policy = { waits_ms, 3, UINT32_MAX / 2, 0 };
    struct attempt_end end = { .response_code = 503,
                               .n_attempts = 1,
                               .retry_after_ms = waits_ms[0] * 100 };

    (void)state;
    assert_int_equal(retry_decide(&end, &policy).delay_ms, waits_ms[0] * 100);
    end.retry_after_ms = 0; // and not for a shorter one
    assert_true(retry_decide(&end, &policy).delay_ms >= waits_ms[0] * 9 / 10);
    end.n_attempts = 4;
    assert_int_equal(retry_decide(&end, &policy).kind, VERDICT_DEAD);
}

static void retry_after_is_read_in_every_form(void **state)
{
    // 2026-11-21 10:00:00 UTC
    const int64_t now_ms = INT64_C(1795255200000);
    const int64_t day_ms = RETRY_AFTER_MAX_MS;
    static const struct {
        const char *value;
        int64_t wait_ms;
    } cases[] = {
        { "0", 0 },
        { "120", 120000 },
        { "  7\t", 7000 },
        { "86400", 86400000 },
        { "86401", 86400000 },
        { "99999999999999999999", 86400000 },
        { "-1", -1 },
        { "+1", -1 },
        { "1.5", -1 },
        { "1e3", -1 },
        { "", -1 },
        { "soon", -1 },
        { "Sat, 21 Nov 2026 10:02:00 GMT", 120000 },
        { "Saturday, 21-Nov-26 10:02:00 GMT", 120000 },
        { "Sat Nov 21 10:02:00 2026", 120000 },
        { "Sat, 21 Nov 2026 09:00:00 GMT", 0 },
        { "Thu, 01 Jan 2100 00:00:00 GMT", 86400000 },
        { "Sat, 21 Nov 2026 10:02:00 CET", -1 },
        { "Sat, 21 Nov 2026 10:02:00 GMT and more", -1 },
    };

    (void)state;
    assert_int_equal(day_ms, 86400000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf headers;

        buf_init(&headers, 0);
        buf_printf(&headers, "Server: x\r\nrEtRy-AfTer:%s\r\nA: b\r\n",
                   cases[i].value);
        if (retry_after_ms(buf_str(&headers), now_ms) != cases[i].wait_ms)
            fail_msg("%s", cases[i].value);
        buf_clear(&headers);
    }
    assert_int_equal(retry_after_ms(STR("X-Retry-After: 1\r\n"), now_ms), -1);
    assert_int_equal(retry_after_ms(STR_EMPTY, now_ms), -1);
}

// --- signatures ---

static void hmac_known_answers(void **state)
{
    // RFC 4231, cases 1, 2 and 6 (a key longer than a block), and GitHub's.
    char long_key[131];
    const struct {
        struct str key, text;
        const char *hex;
    } cases[] = {
        { { "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
            "\x0b\x0b\x0b\x0b",
            20 },
          STR("Hi There"),
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { STR("Jefe"), STR("what do ya want for nothing?"),
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { { long_key, sizeof(long_key) },
          STR("Test Using Larger Than Block-Size Key - Hash Key First"),
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
        { STR("It's a Secret to Everybody"), STR("Hello, World!"),
          "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" },
    };
    struct buf b;

    (void)state;
    memset(long_key, 0xaa, sizeof(long_key));
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_reset(&b);
        sign_pulumi(cases[i].key, cases[i].text, &b);
        assert_string_equal(buf_cstr(&b), cases[i].hex);
    }
    buf_clear(&b);
}

static void standard_webhooks_known_answer(void **state)
{
    // The vector of the Standard Webhooks reference libraries.
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    sign_standard(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                  STR("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330,
                  STR("{\"test\": 2432232314}"), &b);
    assert_string_equal(buf_cstr(&b),
                        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    buf_clear(&b);
}

// --- request ---

static void request_headers_are_pulumis_and_sorted(void **state)
{
    struct hook hook = { .secret = STR("s3cret") };
    struct event event = { .kind = STR("stack_update") };
    struct str body = STR("{}");
    struct buf headers;
    struct buf text;
    struct buf expected;

    (void)state;
    buf_init(&headers, 0);
    buf_init(&text, 0);
    buf_init(&expected, 0);
    assert_int_equal(
        id_parse(STR("78b505ba-d533-4e1d-a855-2b4d903c87aa"), &event.id), OK);
    request_headers(&hook, &event, body,
                    (struct request_of){ .at_ms = 1763676000999, .n = 1 },
                    &headers);
    request_headers_text(buf_str(&headers),
                         request_marks(&hook, buf_str(&headers)), &text);
    buf_puts(&expected,
             "Accept: */*\r\n"
             "Content-Type: application/json\r\n"
             "Pulumi-Webhook-Id: 78b505ba-d533-4e1d-a855-2b4d903c87aa\r\n"
             "Pulumi-Webhook-Kind: stack_update\r\n"
             "Pulumi-Webhook-Signature: ");
    sign_pulumi(hook.secret, body, &expected);
    buf_puts(&expected, "\r\nwebhook-id: 78b505ba-d533-4e1d-a855-"
                        "2b4d903c87aa\r\nwebhook-signature: ");
    sign_standard(hook.secret, STR("78b505ba-d533-4e1d-a855-2b4d903c87aa"),
                  1763676000, body, &expected);
    buf_puts(&expected, "\r\nwebhook-timestamp: 1763676000\r\n");
    assert_string_equal(buf_cstr(&text), buf_cstr(&expected));

    hook.secret = STR_EMPTY;
    buf_reset(&headers);
    buf_reset(&text);
    request_headers(&hook, &event, body,
                    (struct request_of){ .at_ms = 1763676000999, .n = 1 },
                    &headers);
    request_headers_text(buf_str(&headers),
                         request_marks(&hook, buf_str(&headers)), &text);
    assert_null(strstr(buf_cstr(&text), "ignature"));
    buf_clear(&headers);
    buf_clear(&text);
    buf_clear(&expected);
}

static void a_trace_context_is_sent_once_and_lies_among_the_others(void **state)
{
    // The second header cannot be given with traceContext, but may be stored.
    struct str own[] = { STR("X-Own"), STR("1"), STR("TraceParent"), STR("2") };
    struct hook hook = { .headers = own,
                         .n_headers = 4,
                         .trace_context = true };
    struct event event = {
        .kind = STR("order.created"),
        .trace = STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00 "
                     "a=1, b=2")
    };
    struct request_of of = { .n = 2, .sample_percent = 100, .has_span = true };
    uint8_t id[SPAN_ID_BYTES];
    struct buf headers, text, expected;

    (void)state;
    buf_init(&headers, 0);
    buf_init(&text, 0);
    buf_init(&expected, 0);
    request_headers(&hook, &event, STR("{}"), of, &headers);
    request_headers_text(buf_str(&headers), (struct request_marks){ 0 }, &text);
    trace_span_id(&event, TRACE_ATTEMPT, 0, 2, id);
    buf_puts(&expected, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-");
    crypto_put_hex(&expected, id, sizeof(id));
    buf_puts(&expected, "-00\r\ntracestate: a=1, b=2\r\nX-Own: 1\r\n");
    assert_string_equal(strstr(buf_cstr(&text), "traceparent"),
                        buf_cstr(&expected));
    assert_null(strstr(buf_cstr(&text), "TraceParent"));

    of.has_span = false; // the producer's span is the parent
    buf_reset(&headers);
    buf_reset(&text);
    request_headers(&hook, &event, STR("{}"), of, &headers);
    request_headers_text(buf_str(&headers), (struct request_marks){ 0 }, &text);
    assert_non_null(strstr(
        buf_cstr(&text), "\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-"
                         "b7ad6b7169203331-00\r\n"));
    buf_clear(&headers);
    buf_clear(&text);
    buf_clear(&expected);
}

static void
headers_of_a_hook_lie_among_the_others_and_secrets_are_masked(void **state)
{
    struct str own[] = { STR("x-api-key"), STR("k3y-of-the-big-shop"),
                         STR("Fast"),      STR("no"),
                         STR("Bad Name"),  STR("x"),
                         STR("Bad-Value"), STR("a\r\nHost: b"),
                         STR("Accept-2"),  STR("c") };
    struct hook hook = { .headers = own,
                         .n_headers = sizeof(own) / sizeof(own[0]),
                         .secret_headers = 1U << 1 }; // Fast
    struct event event = { .dialect = DIALECT_AKINON,
                           .kind = STR("order.created") };
    struct request_marks marks;
    struct buf headers, text;

    (void)state;
    buf_init(&headers, 0);
    buf_init(&text, 0);
    request_headers(&hook, &event, STR("{}"), (struct request_of){ .n = 1 },
                    &headers);
    marks = request_marks(&hook, buf_str(&headers));
    assert_true(marks.has_custom);
    request_headers_text(buf_str(&headers), marks, &text);
    assert_string_equal(
        buf_cstr(&text),
        "Accept: */*\r\nAccept-2: c\r\nContent-Type: application/json\r\n"
        "Fast: ********\r\nx-api-key: k3y-********\r\n"
        "X-Webhook-Event: order.created\r\n"
        "X-Webhook-Id: 00000000-0000-0000-0000-000000000000\r\n");
    // What is sent is not masked.
    assert_non_null(
        memmem(headers.at, headers.n_bytes, "k3y-of-the-big-shop", 20));
    buf_clear(&headers);
    buf_clear(&text);
}

// --- orders ---

static void orders_and_outcomes_come_back(void **state)
{
    struct order order = { .no = UINT64_C(7) << 32 | 3,
                           .url = STR("http://example.com/x"),
                           .headers = { "A: b\0C: d\0", 10 },
                           .body = STR("{}"),
                           .connect_timeout_ms = 5000,
                           .request_timeout_ms = 30000 };
    struct outcome outcome = { .no = order.no,
                               .started_at_us = 123456,
                               .error = ERROR_TIMEOUT,
                               .error_message = STR("too slow"),
                               .timing = { .total_us = 30000000 } };
    struct order order_back;
    struct outcome outcome_back;
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    order_pack(&b, &order);
    assert_int_equal(order_unpack(buf_str(&b), &order_back), OK);
    assert_true(order_back.no == order.no);
    assert_true(str_eq(order_back.headers, order.headers));
    assert_true(str_eq(order_back.body, order.body));
    for (size_t n = 0; n < b.n_bytes; n++) {
        assert_int_equal(order_unpack((struct str){ b.at, n }, &order_back),
                         ERR_CORRUPT);
    }
    buf_reset(&b);
    outcome_pack(&b, &outcome);
    assert_int_equal(outcome_unpack(buf_str(&b), &outcome_back), OK);
    assert_int_equal(outcome_back.error, ERROR_TIMEOUT);
    assert_true(outcome_back.timing.total_us == 30000000);
    for (size_t n = 0; n < b.n_bytes; n++) {
        assert_int_equal(outcome_unpack((struct str){ b.at, n }, &outcome_back),
                         ERR_CORRUPT);
    }
    buf_clear(&b);
}

// Outcomes that a hostile sender might send.
static void outcomes_out_of_range_are_refused(void **state)
{
    struct outcome o = { .response_code = 1000 };
    struct outcome back;
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    outcome_pack(&b, &o);
    assert_int_equal(outcome_unpack(buf_str(&b), &back), ERR_CORRUPT);
    o.response_code = 200;
    o.error = (enum error_class)99;
    buf_reset(&b);
    outcome_pack(&b, &o);
    assert_int_equal(outcome_unpack(buf_str(&b), &back), ERR_CORRUPT);
    buf_clear(&b);
}

// --- guard ---

static bool permits(const char *address, const struct cidr *allow, size_t n)
{
    struct sockaddr_storage a;

    assert_int_equal(config_address(address, &a), OK);
    static const struct port_range all = { 1, 65535 };
    const struct address_guard_rules rules = { .allow = allow,
                                               .n_allow = n,
                                               .ports = &all,
                                               .n_ports = 1,
                                               .is_local_known = true };

    return address_guard_check((const struct sockaddr *)&a, false, &rules) ==
           ADDRESS_PERMITTED;
}

static void guard_refuses_what_is_not_public(void **state)
{
    static const char *const refused[] = {
        "0.0.0.0:80",         "0.1.2.3:80",
        "10.0.0.1:80",        "100.64.0.1:80",
        "100.127.255.255:80", "127.0.0.1:80",
        "127.255.255.255:80", "169.254.169.254:80",
        "172.16.0.1:80",      "172.31.255.255:80",
        "192.0.0.1:80",       "192.0.2.1:80",
        "192.88.99.1:80",     "192.168.0.1:80",
        "198.18.0.1:80",      "198.19.255.255:80",
        "198.51.100.1:80",    "203.0.113.1:80",
        "224.0.0.1:80",       "240.0.0.1:80",
        "255.255.255.255:80", "[::]:80",
        "[::1]:80",           "[::ffff:127.0.0.1]:80",
        "[::127.0.0.1]:80",   "[64:ff9b::7f00:1]:80",
        "[64:ff9b:1::1]:80",  "[100::1]:80",
        "[2001::1]:80",       "[2001:db8::1]:80",
        "[2002:7f00:1::]:80", "[3fff::1]:80",
        "[5f00::1]:80",       "[fc00::1]:80",
        "[fd00:ec2::254]:80", "[fe80::1]:80",
        "[fec0::1]:80",       "[ff02::1]:80",
    };
    static const char *const permitted[] = {
        "1.1.1.1:80",        "9.255.255.255:80",       "11.0.0.0:80",
        "100.63.255.255:80", "100.128.0.0:80",         "126.255.255.255:80",
        "128.0.0.0:80",      "172.15.255.255:80",      "172.32.0.0:80",
        "192.0.1.0:80",      "192.167.255.255:80",     "198.17.255.255:80",
        "198.20.0.0:80",     "223.255.255.255:80",     "[2606:4700::1111]:443",
        "[2a00::1]:443",     "[64:ff9b::101:101]:443", "[::ffff:1.1.1.1]:80",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (permits(refused[i], NULL, 0))
            fail_msg("%s is permitted", refused[i]);
    }
    for (size_t i = 0; i < sizeof(permitted) / sizeof(permitted[0]); i++) {
        if (!permits(permitted[i], NULL, 0))
            fail_msg("%s is refused", permitted[i]);
    }
}

static void guard_lets_the_allow_list_through(void **state)
{
    struct cidr allow = { .address = { [10] = 0xff, 0xff, 127 },
                          .n_bits = 104,
                          .port = 8443 };

    (void)state;
    assert_true(permits("127.0.0.1:8443", &allow, 1));
    assert_false(permits("127.0.0.1:8444", &allow, 1));
    assert_false(permits("10.0.0.1:8443", &allow, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_follows_the_outcome_table),
        cmocka_unit_test(attempts_tell_about_the_receiver),
        cmocka_unit_test(least_waits_and_wishes_are_kept),
        cmocka_unit_test(our_own_want_is_no_attempt),
        cmocka_unit_test(retry_waits_follow_the_schedule_with_jitter),
        cmocka_unit_test(a_receiver_may_ask_for_a_longer_wait),
        cmocka_unit_test(retry_after_is_read_in_every_form),
        cmocka_unit_test(hmac_known_answers),
        cmocka_unit_test(standard_webhooks_known_answer),
        cmocka_unit_test(request_headers_are_pulumis_and_sorted),
        cmocka_unit_test(
            a_trace_context_is_sent_once_and_lies_among_the_others),
        cmocka_unit_test(
            headers_of_a_hook_lie_among_the_others_and_secrets_are_masked),
        cmocka_unit_test(orders_and_outcomes_come_back),
        cmocka_unit_test(outcomes_out_of_range_are_refused),
        cmocka_unit_test(guard_refuses_what_is_not_public),
        cmocka_unit_test(guard_lets_the_allow_list_through),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
