// SPDX-License-Identifier: MIT
// test_local_addresses.c — which addresses of this machine the guard knows, and what it
// answers while they cannot be read.
//
// The linker puts a getifaddrs() of this test in front of the library's.

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/config/config.h"
#include "common/config/settings.h"
#include "engine/sender/address_guard.h"
#include "engine/sender/local_addresses.h"
#include "tests/support/unit.h"

#define N_ADDRESSES 1000

// They are kept until a process ends.
// NOLINTBEGIN(bugprone-reserved-identifier): the sanitizer's name
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
// NOLINTEND(bugprone-reserved-identifier)
{
    return "detect_leaks=0";
}

static bool fails;
static struct sockaddr_in addresses[N_ADDRESSES];
static struct ifaddrs interfaces[N_ADDRESSES];

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's own names
int __wrap_getifaddrs(struct ifaddrs **out);
void __wrap_freeifaddrs(struct ifaddrs *first);

int __wrap_getifaddrs(struct ifaddrs **out)
{
    if (fails) {
        errno = ENOBUFS;
        return -1;
    }
    for (size_t i = 0; i < N_ADDRESSES; i++) {
        addresses[i] = (struct sockaddr_in){
            .sin_family = AF_INET,
            .sin_addr.s_addr = htonl(0x08080000U + (uint32_t)i),
        };
        interfaces[i] = (struct ifaddrs){
            .ifa_next = i + 1 < N_ADDRESSES ? &interfaces[i + 1] : NULL,
            .ifa_addr = (struct sockaddr *)&addresses[i],
        };
    }
    *out = interfaces;
    return 0;
}

void __wrap_freeifaddrs(struct ifaddrs *first)
{
    assert_ptr_equal(first, interfaces);
}
// NOLINTEND(bugprone-reserved-identifier)

static enum address_guard_verdict check(struct local_addresses *local,
                                        const char *text, uint16_t port,
                                        bool is_self)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

    assert_int_equal(inet_pton(AF_INET, text, &a.sin_addr), 1);
    return address_guard_check((const struct sockaddr *)&a, is_self,
                               local_addresses_rules(local));
}

static void load(struct config *config)
{
    char allow[] = "endpoint_allow=9.9.9.9/32,9.9.9.8/32:22";
    char listen[] = "api_listen=0.0.0.0:8080";
    char *sets[] = { allow, listen };
    const struct config_sources sources = { .no_environment = true,
                                            .sets = sets,
                                            .n_sets = 2 };
    struct buf faults;

    buf_init(&faults, 0);
    if (config_load(&sources, config, &faults) != OK)
        fail_msg("%s", buf_cstr(&faults));
    buf_clear(&faults);
}

static void every_own_address_is_known(void **state)
{
    struct local_addresses *local;
    struct config config;

    (void)state;
    load(&config);
    fails = false;
    local = local_addresses_new(&config);
    assert_int_equal(check(local, "8.8.0.0", 80, false), ADDRESS_REFUSED);
    assert_int_equal(check(local, "8.8.0.255", 80, false), ADDRESS_REFUSED);
    assert_int_equal(check(local, "8.8.3.231", 80, false), ADDRESS_REFUSED);
    assert_int_equal(check(local, "8.8.3.232", 80, false), ADDRESS_PERMITTED);
    // Addresses that the kernel routes to this machine are its own, and may be those of
    // the engine's servers.
    assert_int_equal(check(local, "8.9.0.1", 80, true), ADDRESS_REFUSED);
    assert_int_equal(check(local, "9.9.9.9", 80, true), ADDRESS_PERMITTED);
    assert_int_equal(check(local, "9.9.9.9", 8080, true), ADDRESS_REFUSED);
    assert_int_equal(check(local, "9.9.9.9", 8080, false), ADDRESS_PERMITTED);
    // Ports.
    assert_int_equal(check(local, "8.9.0.1", 22, false), ADDRESS_PORT_REFUSED);
    assert_int_equal(check(local, "9.9.9.9", 22, false), ADDRESS_PORT_REFUSED);
    assert_int_equal(check(local, "9.9.9.8", 22, false), ADDRESS_PERMITTED);
    assert_int_equal(check(local, "8.9.0.1", 443, false), ADDRESS_PERMITTED);
    assert_int_equal(check(local, "8.9.0.1", 444, false), ADDRESS_PORT_REFUSED);
    assert_int_equal(check(local, "8.9.0.1", 65535, false), ADDRESS_PERMITTED);
    config_clear(&config);
}

static void unknown_own_addresses_permit_only_what_is_named(void **state)
{
    struct local_addresses *local;
    struct config config;

    (void)state;
    load(&config);
    fails = true;
    local = local_addresses_new(&config);
    assert_int_equal(check(local, "8.9.0.1", 80, false), ADDRESS_REFUSED);
    assert_int_equal(check(local, "9.9.9.9", 80, false), ADDRESS_PERMITTED);
    fails = false;
    local_addresses_reload(local, &config);
    assert_int_equal(check(local, "8.9.0.1", 80, false), ADDRESS_PERMITTED);
    // The addresses that were read before may be incomplete.
    fails = true;
    local_addresses_reload(local, &config);
    assert_int_equal(check(local, "8.9.0.1", 80, false), ADDRESS_REFUSED);
    config_clear(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_own_address_is_known),
        cmocka_unit_test(unknown_own_addresses_permit_only_what_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
