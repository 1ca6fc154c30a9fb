// SPDX-License-Identifier: MIT
// test_client_address.c — who a request comes from, by what proxies say of it.

#include "common/http/client_address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "common/config/config.h"
#include "common/config/config_types.h"
#include "tests/support/unit.h"

static struct cidrs proxies_of(const char *text)
{
    struct cidrs proxies;

    assert_int_equal(
        config_read_cidrs(str_of(text), proxies.at, CIDRS_MAX, &proxies.n), OK);
    return proxies;
}

// The client of one or two values of the header, of which the last is read first.
static void check_client(const char *first, const char *last,
                         const char *client)
{
    const struct cidrs proxies = proxies_of("10.0.0.0/8,fd00::/8");
    const char *values[] = { last, first };
    uint8_t address[CLIENT_ADDRESS_BYTES] = { [10] = 0xff, [11] = 0xff, 10,
                                              0,           0,           1 };
    char text[INET6_ADDRSTRLEN];
    bool goes_on = true;

    for (size_t i = 0; goes_on && i < 2; i++) {
        if (values[i] != NULL)
            goes_on = client_address_read(&proxies, str_of(values[i]), address);
    }
    client_address_put(address, text, sizeof(text));
    assert_string_equal(text, client);
}

static void the_last_address_that_is_no_proxys_is_the_clients(void **state)
{
    (void)state;
    check_client(NULL, "203.0.113.9", "203.0.113.9");
    check_client(NULL, " 203.0.113.9\t", "203.0.113.9");
    check_client(NULL, "203.0.113.9, 10.1.1.1,fd00::5", "203.0.113.9");
    check_client(NULL, "198.51.100.1, 203.0.113.9, 10.1.1.1", "203.0.113.9");
    check_client("198.51.100.1, 203.0.113.9", "10.1.1.1", "203.0.113.9");
    check_client("198.51.100.1", "203.0.113.9, 10.1.1.1", "203.0.113.9");
}

static void addresses_have_every_usual_form(void **state)
{
    (void)state;
    check_client(NULL, "203.0.113.9:4711", "203.0.113.9");
    check_client(NULL, "2001:db8::7", "2001:db8::7");
    check_client(NULL, "[2001:db8::7]", "2001:db8::7");
    check_client(NULL, "[2001:db8::7]:4711", "2001:db8::7");
    check_client(NULL, "::ffff:203.0.113.9", "203.0.113.9");
    check_client(NULL, "198.51.100.1, ::ffff:10.9.9.9", "198.51.100.1");
}

// Whoever wrote what cannot be read was told of by the proxy that is named after it.
static void what_is_no_address_ends_the_reading(void **state)
{
    static const char *const nonsense[] = {
        "unknown",   "_hidden", "",     "203.0.113",   "localhost",
        "1.2.3.4.5", "::g",     "[::1", "\"1.2.3.4\"", "1.2.3.4 5.6.7.8"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        char value[128];

        check_client(NULL, nonsense[i], "10.0.0.1");
        snprintf(value, sizeof(value), "203.0.113.9, %s, 10.1.1.1",
                 nonsense[i]);
        check_client(NULL, value, "10.1.1.1");
    }
}

static void a_list_of_proxies_alone_ends_with_the_first(void **state)
{
    (void)state;
    check_client(NULL, "10.3.3.3, 10.2.2.2", "10.3.3.3");
    check_client("10.4.4.4", "10.3.3.3", "10.4.4.4");
}

static void nobody_is_a_proxy_without_the_setting(void **state)
{
    const uint8_t loopback[CLIENT_ADDRESS_BYTES] = { [10] = 0xff, [11] = 0xff,
                                                     127,         0,
                                                     0,           1 };
    const struct cidrs none = { .n = 0 };

    (void)state;
    assert_false(client_address_is_proxy(NULL, loopback));
    assert_false(client_address_is_proxy(&none, loopback));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_address_that_is_no_proxys_is_the_clients),
        cmocka_unit_test(addresses_have_every_usual_form),
        cmocka_unit_test(what_is_no_address_ends_the_reading),
        cmocka_unit_test(a_list_of_proxies_alone_ends_with_the_first),
        cmocka_unit_test(nobody_is_a_proxy_without_the_setting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
