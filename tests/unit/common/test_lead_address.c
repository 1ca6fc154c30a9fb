// SPDX-License-Identifier: MIT
// test_lead_address.c — the frame that says where the lead listens takes addresses alone.

#include "common/messages/lead_address.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/codec.h"
#include "common/process/role.h"
#include "tests/support/unit.h"

#define LONGEST "[1111:2222:3333:4444:5555:6666:7777:8888]:65535"

static enum err pass(struct str api, struct str ingest,
                     struct lead_address *out)
{
    static struct buf frame; // the texts of the last one are borrowed from it
    const struct lead_address from = { .api = api, .ingest = ingest };

    buf_clear(&frame);
    buf_init(&frame, 0);
    lead_address_pack(&frame, &from);
    assert_true(frame.n_bytes <= LEAD_FRAME_MAX_BYTES ||
                api.n_bytes > LEAD_ADDRESS_MAX_BYTES);
    return lead_address_unpack(buf_str(&frame), out);
}

static void good_ones_arrive(void **state)
{
    struct lead_address out;

    (void)state;
    assert_int_equal(pass(STR("10.0.0.1:8080"), STR(LONGEST), &out), OK);
    assert_true(str_is(out.api, "10.0.0.1:8080"));
    assert_true(str_is(out.ingest, LONGEST));
    assert_int_equal(pass(STR_EMPTY, STR_EMPTY, &out), OK);
    assert_int_equal(out.api.n_bytes + out.ingest.n_bytes, 0);
    assert_int_equal(pass(STR("1.2.3.4:1"), STR("1.2.3.4:2"), &out), OK);
}

static void everything_else_is_refused(void **state)
{
    static const struct str bad[] = {
        { "localhost:80", 12 },
        { "10.0.0.1", 8 },
        { "10.0.0.1:0", 10 },
        { "10.0.0.1:65536", 14 },
        { "10.0.0.1:80\0x", 13 },
        { "fd00::1:80", 10 },
        { "[fd00::1]", 9 },
        { "[fe80::1%lo]:80", 15 },
        { ":80", 3 },
        { "\0", 1 },
    };
    char text[LEAD_ADDRESS_MAX_BYTES * 4];
    struct lead_address out;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(pass(bad[i], STR("1.2.3.4:5"), &out), ERR_CORRUPT);
        assert_int_equal(pass(STR("1.2.3.4:5"), bad[i], &out), ERR_CORRUPT);
    }
    // One alone, and texts of every length.
    assert_int_equal(pass(STR("1.2.3.4:5"), STR_EMPTY, &out), ERR_CORRUPT);
    assert_int_equal(pass(STR_EMPTY, STR("1.2.3.4:5"), &out), ERR_CORRUPT);
    memset(text, '1', sizeof(text));
    for (size_t n = 1; n <= sizeof(text); n++) {
        assert_int_equal(pass((struct str){ text, n }, STR("1.2.3.4:5"), &out),
                         ERR_CORRUPT);
    }
}

static void an_address_is_read_as_the_socket_takes_it(void **state)
{
    struct sockaddr_storage at;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    (void)state;
    assert_int_equal(lead_address_read(STR("10.0.0.1:8080"), &at), OK);
    memcpy(&v4, &at, sizeof(v4));
    assert_int_equal(v4.sin_family, AF_INET);
    assert_int_equal(ntohs(v4.sin_port), 8080);
    assert_int_equal(ntohl(v4.sin_addr.s_addr), 0x0a000001);
    assert_int_equal(lead_address_read(STR("[::1]:9"), &at), OK);
    memcpy(&v6, &at, sizeof(v6));
    assert_int_equal(v6.sin6_family, AF_INET6);
    assert_int_equal(ntohs(v6.sin6_port), 9);
    assert_int_equal(v6.sin6_addr.s6_addr[15], 1);
    assert_int_equal(lead_address_read(STR_EMPTY, &at), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_arrive),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(an_address_is_read_as_the_socket_takes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
