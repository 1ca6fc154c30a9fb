// SPDX-License-Identifier: MIT
// fuzz_proxy_header.c — the PROXY protocol: what is said of the first bytes of a connection
// does not change with what follows, and a client that was read is written the same.
//
// Input: the bytes.

#include <string.h>

#include "common/stream/proxy_header.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const struct sockaddr_storage *client)
{
    struct sockaddr_storage again;
    struct buf out;
    size_t n_bytes;

    buf_init(&out, 0);
    proxy_header_put(&out, client, client);
    CHECK(proxy_header_read(buf_str(&out), &n_bytes, &again) ==
          PROXY_HEADER_WHOLE);
    CHECK(n_bytes == out.n_bytes);
    CHECK(memcmp(client, &again, sizeof(again)) == 0);
    buf_clear(&out);
}

void fuzz_one(struct str input)
{
    struct sockaddr_storage client;
    struct sockaddr_storage before;
    size_t n_bytes;
    size_t n_before;
    enum proxy_header seen = proxy_header_read(input, &n_bytes, &client);
    enum proxy_header first;

    switch (seen) {
    case PROXY_HEADER_PART:
        CHECK(n_bytes > input.n_bytes && n_bytes <= PROXY_HEADER_MAX_BYTES);
        break;
    case PROXY_HEADER_WHOLE:
        CHECK(n_bytes >= 16 && n_bytes <= input.n_bytes);
        check_again(&client);
        break;
    case PROXY_HEADER_NONE:
    case PROXY_HEADER_BAD:
        break;
    }
    // Fewer bytes say the same, or that more are needed.
    for (size_t n = 0; n < input.n_bytes && n < PROXY_HEADER_MAX_BYTES; n++) {
        first =
            proxy_header_read((struct str){ input.at, n }, &n_before, &before);
        CHECK(first == seen || first == PROXY_HEADER_PART);
    }
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const struct str seeds[] = {
        { "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\1\2\3\4\5\6\7\x08\0\1\0\2", 28 },
        { "\r\n\r\n\0\r\nQUIT\n\x20\0\0\3\4\0\0G", 20 },
        { "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
          "0123456789abcdef0123456789abcdef\1\2\3\4",
          52 },
        { "GET / HTTP/1.1\r\n", 16 },
    };

    if (i >= sizeof(seeds) / sizeof(seeds[0]))
        return false;
    buf_put_str(out, seeds[i]);
    return true;
}
