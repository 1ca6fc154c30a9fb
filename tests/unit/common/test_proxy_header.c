// SPDX-License-Identifier: MIT
// test_proxy_header.c — the PROXY protocol: what is written is read, in pieces, and all
// else is told apart.

#include "common/stream/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/unit.h"

// As HAProxy writes it, with two TLVs of 3 and 5 bytes.
#define V4                               \
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14" \
    "\xc0\0\2\x01\xc6\x33\x64\x02\x11\x22\x01\xbb\x04\0\0\x05\0\2ab"
#define V4_BYTES (sizeof(V4) - 1)

static struct sockaddr_storage address(const char *host, uint16_t port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = htons(port) };
    struct sockaddr_storage out;

    memset(&out, 0, sizeof(out));
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(&out, &v4, sizeof(v4));
    } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(&out, &v6, sizeof(v6));
    }
    return out;
}

// Reads a copy of its own size, so that the sanitizer sees a byte too far.
static enum proxy_header read_exactly(const char *bytes, size_t n,
                                      size_t *n_bytes,
                                      struct sockaddr_storage *client)
{
    char *copy = xmalloc(n > 0 ? n : 1);
    enum proxy_header seen;

    memcpy(copy, bytes, n);
    seen = proxy_header_read((struct str){ copy, n }, n_bytes, client);
    free(copy);
    return seen;
}

static void check_written(const char *from, const char *to, size_t wanted_bytes)
{
    struct sockaddr_storage client;
    struct sockaddr_storage ends[] = { address(from, 4386), address(to, 443) };
    struct buf out;
    size_t n_bytes;

    buf_init(&out, 0);
    proxy_header_put(&out, &ends[0], &ends[1]);
    assert_int_equal(out.n_bytes, wanted_bytes);
    for (size_t n = 0; n < out.n_bytes; n++) {
        assert_int_equal(read_exactly(out.at, n, &n_bytes, &client),
                         PROXY_HEADER_PART);
        assert_true(n_bytes > n && n_bytes <= out.n_bytes);
    }
    buf_puts(&out, "GET / HTTP/1.1\r\n");
    assert_int_equal(read_exactly(out.at, out.n_bytes, &n_bytes, &client),
                     PROXY_HEADER_WHOLE);
    assert_int_equal(n_bytes, wanted_bytes);
    if (wanted_bytes > 16) {
        assert_memory_equal(&client, &ends[0], sizeof(client));
    } else {
        assert_int_equal(client.ss_family, AF_UNSPEC);
    }
    buf_clear(&out);
}

static void what_is_written_is_read_in_pieces(void **state)
{
    (void)state;
    check_written("192.0.2.1", "198.51.100.2", 28);
    check_written("fd00::7", "fd00::1", 52);
    check_written("192.0.2.1", "fd00::1", 16); // names nobody
    check_written("nobody", "nobody", 16);
}

static void other_proxies_headers_are_read(void **state)
{
    struct sockaddr_storage wanted = address("192.0.2.1", 4386);
    struct sockaddr_storage client;
    char bytes[] = V4;
    size_t n_bytes;

    (void)state;
    assert_int_equal(read_exactly(bytes, V4_BYTES, &n_bytes, &client),
                     PROXY_HEADER_WHOLE);
    assert_int_equal(n_bytes, V4_BYTES);
    assert_memory_equal(&client, &wanted, sizeof(client));
    bytes[13] = 0x31; // a Unix socket: names nobody
    assert_int_equal(read_exactly(bytes, V4_BYTES, &n_bytes, &client),
                     PROXY_HEADER_WHOLE);
    assert_int_equal(client.ss_family, AF_UNSPEC);
}

static void what_breaks_the_rules_is_bad(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
    } bad[] = {
        { 12, 0x11 }, // version 1
        { 12, 0x22 }, // a third command
        { 14, 0xff }, // longer than anything sensible
        { 15, 11 },   // too short for its family
        { 13, 0x21 }, // the same
    };
    struct sockaddr_storage client;
    size_t n_bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char bytes[] = V4;

        bytes[bad[i].at] = (char)bad[i].byte;
        assert_int_equal(read_exactly(bytes, V4_BYTES, &n_bytes, &client),
                         PROXY_HEADER_BAD);
    }
}

static void other_bytes_are_none(void **state)
{
    static const char *const others[] = {
        "GET / HTTP/1.1\r\n", "\x16\x03\x01", "\r\nGET / HTTP/1.1\r\n",
        "\r\n\r\n\r", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"
    };
    struct sockaddr_storage client;
    size_t n_bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(
            read_exactly(others[i], strlen(others[i]), &n_bytes, &client),
            PROXY_HEADER_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_in_pieces),
        cmocka_unit_test(other_proxies_headers_are_read),
        cmocka_unit_test(what_breaks_the_rules_is_bad),
        cmocka_unit_test(other_bytes_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
