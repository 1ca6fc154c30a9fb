// SPDX-License-Identifier: MIT
// test_sink_signature.c — a receiver's side of the signatures.

#include <string.h>

#include "api/cli/receiver/signature_check.h"
#include "tests/support/unit.h"

#define STANDARD_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
// HMAC-SHA256 of "hello" under "key".
#define HELLO_MAC \
    "9307b3b915efb5171ff14d8cb55fbcc798c6c0ef1456d66ded1a6aa723a58b7b"

// The example of the Standard Webhooks libraries.
static struct signed_request standard_example(void)
{
    return (struct signed_request){
        .id = STR("msg_p5jXN8AQM9LWM0D4loKWxJek"),
        .timestamp = STR("1614265330"),
        .standard = STR("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        .body = STR("{\"test\": 2432232314}"),
    };
}

static enum signature check(const char *secret, struct signed_request request)
{
    return signature_check(str_of(secret), &request);
}

static void signatures_are_checked(void **state)
{
    struct signed_request hello = { .pulumi = STR(HELLO_MAC),
                                    .body = STR("hello") };
    struct signed_request standard = standard_example();

    (void)state;
    assert_int_equal(check("key", hello), SIGNATURE_VALID);
    assert_int_equal(check("kez", hello), SIGNATURE_INVALID);
    assert_int_equal(check("", hello), SIGNATURE_INVALID);
    hello.body = STR("hellp");
    assert_int_equal(check("key", hello), SIGNATURE_INVALID);
    hello.pulumi = STR_EMPTY;
    assert_int_equal(check("key", hello), SIGNATURE_ABSENT);

    assert_int_equal(check(STANDARD_SECRET, standard), SIGNATURE_VALID);
    standard.standard = STR("v2,x v1,AAAA "
                            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_int_equal(check(STANDARD_SECRET, standard), SIGNATURE_VALID);
    standard.timestamp = STR("1614265331");
    assert_int_equal(check(STANDARD_SECRET, standard), SIGNATURE_INVALID);
    // One correct signature does not excuse a wrong one.
    standard = standard_example();
    standard.pulumi = STR(HELLO_MAC);
    assert_int_equal(check(STANDARD_SECRET, standard), SIGNATURE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
