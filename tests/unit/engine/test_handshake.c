// SPDX-License-Identifier: MIT
// What answers to the handshake mean.

#include "engine/dispatcher/deliver/handshake_answer.h"
#include "tests/support/unit.h"

#define ALLOWS "WebHook-Allowed-Origin: a.example\r\n"

static void what_an_answer_means(void **state)
{
    static const struct {
        unsigned short code;
        const char *headers;
        enum handshake_answer answer;
        uint32_t rate;
        const char *reason;
    } rows[] = {
        { 200, ALLOWS, HANDSHAKE_ALLOWED, 0, "" },
        { 299, ALLOWS, HANDSHAKE_ALLOWED, 0, "" },
        { 300, ALLOWS, HANDSHAKE_REFUSED, 0, "status 300" },
        { 199, ALLOWS, HANDSHAKE_REFUSED, 0, "status 199" },
        { 204, "webhook-allowed-origin:A.Example", HANDSHAKE_ALLOWED, 0, "" },
        { 200, "X: y\r\nWebHook-Allowed-Origin:  * \r\n", HANDSHAKE_ALLOWED, 0,
          "" },
        { 200, "", HANDSHAKE_REFUSED, 0, "no WebHook-Allowed-Origin" },
        { 200, "X-WebHook-Allowed-Origin: *\r\n", HANDSHAKE_REFUSED, 0,
          "no WebHook-Allowed-Origin" },
        { 200, "WebHook-Allowed-Origin: a.example, b\r\n", HANDSHAKE_REFUSED, 0,
          "not a.example" },
        { 200, "WebHook-Allowed-Origin: \r\n" ALLOWS, HANDSHAKE_REFUSED, 0,
          "not a.example" },
        { 200, ALLOWS "WebHook-Allowed-Rate: *\r\n", HANDSHAKE_ALLOWED, 0, "" },
        { 200, ALLOWS "WebHook-Allowed-Rate: 1\r\n", HANDSHAKE_ALLOWED, 1, "" },
        { 200, ALLOWS "webhook-allowed-rate: 4294967295\r\n", HANDSHAKE_ALLOWED,
          UINT32_MAX, "" },
        { 200, ALLOWS "WebHook-Allowed-Rate: 99999999999999999999999\r\n",
          HANDSHAKE_ALLOWED, 0, "" },
        { 200, ALLOWS "WebHook-Allowed-Rate: 0\r\n", HANDSHAKE_REFUSED, 0,
          "not a rate" },
        { 200, ALLOWS "WebHook-Allowed-Rate: -1\r\n", HANDSHAKE_REFUSED, 0,
          "not a rate" },
        { 200, ALLOWS "WebHook-Allowed-Rate: \r\n", HANDSHAKE_REFUSED, 0,
          "not a rate" },
        { 200, ALLOWS "WebHook-Allowed-Rate: 1.5\r\n", HANDSHAKE_REFUSED, 0,
          "not a rate" },
    };
    struct buf reason;

    (void)state;
    buf_init(&reason, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct outcome o = { .response_code = rows[i].code,
                                   .response_headers =
                                       str_of(rows[i].headers) };
        uint32_t rate = 7;

        buf_reset(&reason);
        assert_int_equal(handshake_judge(&o, STR("a.example"), &rate, &reason),
                         rows[i].answer);
        assert_int_equal(rate, rows[i].rate);
        assert_non_null(strstr(buf_cstr(&reason), rows[i].reason));
        assert_int_equal(reason.n_bytes == 0,
                         rows[i].answer == HANDSHAKE_ALLOWED);
    }
    buf_clear(&reason);
}

static void without_an_answer_nothing_is_known(void **state)
{
    const struct outcome o = { .error = ERROR_TIMEOUT,
                               .error_message = STR("it took too long"),
                               .response_code = 200,
                               .response_headers = STR(ALLOWS) };
    struct buf reason;
    uint32_t rate;

    (void)state;
    buf_init(&reason, 0);
    assert_int_equal(handshake_judge(&o, STR("a.example"), &rate, &reason),
                     HANDSHAKE_FAILED);
    assert_string_equal(buf_cstr(&reason), "timeout: it took too long");
    buf_clear(&reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_answer_means),
        cmocka_unit_test(without_an_answer_nothing_is_known),
    };

    return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
