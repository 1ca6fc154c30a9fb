// SPDX-License-Identifier: MIT
// fuzz_paging.c — page tokens: only tokens that were made with the key, for that list, are
// accepted, and they give the place back. The headers that announce a page stay two lines.
//
// Input: two short texts, then whatever.

#include <string.h>

#include "api/json/delivery_filter.h"
#include "api/json/pagination.h"
#include "common/http/http.h"
#include "tests/fuzz/fuzz.h"

static const uint8_t key[SHA256_BYTES] = "0123456789abcdef0123456789abcde";
static const uint8_t other[SHA256_BYTES] = "0123456789abcdef0123456789abcdf";

static void check_token(struct str list, struct str place, struct str noise)
{
    struct buf token, found;

    buf_init(&token, 0);
    buf_init(&found, 0);
    CHECK(page_token_read(key, list, noise, &found) != OK || found.n_bytes > 0);
    buf_reset(&found);
    if (place.n_bytes > 0 && place.n_bytes <= PAGE_PLACE_MAX_BYTES) {
        page_token_put(key, list, place, &token);
        CHECK(page_token_read(key, list, buf_str(&token), &found) == OK);
        CHECK(str_eq(buf_str(&found), place));
        buf_reset(&found);
        CHECK(page_token_read(other, list, buf_str(&token), &found) != OK);
        CHECK(page_token_read(key, STR("another"), buf_str(&token), &found) !=
                  OK ||
              str_is(list, "another"));
        if (noise.n_bytes > 0) {
            size_t at = (uint8_t)noise.at[0] % token.n_bytes;
            char was = token.at[at];

            token.at[at] = noise.at[noise.n_bytes - 1];
            buf_reset(&found);
            // A token with digits in upper case is not the one that was made.
            CHECK((page_token_read(key, list, buf_str(&token), &found) == OK) ==
                  (token.at[at] == was));
        }
    }
    buf_clear(&token);
    buf_clear(&found);
}

static void check_cursor(struct str noise)
{
    uint64_t rows[4], found[4];
    uint64_t owner = take_u64(&noise);
    size_t n = 1 + take_u8(&noise) % 4;
    struct buf text;

    buf_init(&text, 0);
    for (size_t i = 0; i < n; i++)
        rows[i] = take_u64(&noise);
    cursor_put(key, owner, rows, n, &text);
    CHECK(cursor_read(key, buf_str(&text), owner, found, n) == OK);
    CHECK(memcmp(rows, found, n * sizeof(rows[0])) == 0);
    CHECK(cursor_read(other, buf_str(&text), owner, found, n) != OK);
    CHECK(cursor_read(key, buf_str(&text), owner + 1, found, n) != OK);
    CHECK(cursor_read(key, noise, owner, found, n) != OK);
    buf_clear(&text);
}

// Checks that any request gives two lines of headers, and that no byte ends one early.
static void check_headers(struct str path, struct str query)
{
    struct http_request r = { .path = path, .query = query };
    struct buf out;
    size_t n_ends = 0;

    buf_init(&out, 0);
    page_put_headers(&r, STR("abcd"), &out);
    for (size_t i = 0; i < out.n_bytes; i++) {
        CHECK(out.at[i] >= ' ' || out.at[i] == '\r' || out.at[i] == '\n');
        n_ends += out.at[i] == '\n';
    }
    CHECK(n_ends == 2);
    CHECK(out.n_bytes <= 3 * (path.n_bytes + query.n_bytes) + 128);
    buf_clear(&out);
}

static void check_query(struct str query)
{
    struct http_request r = { .path = STR("/x"), .query = query };
    struct delivery_query read;
    struct arena arena = { NULL };
    struct buf why;

    buf_init(&why, 0);
    if (delivery_query_read(&r, &arena, &read, &why) == OK) {
        CHECK(why.n_bytes == 0);
        CHECK(read.limit > 0 && read.limit <= DELIVERIES_MAX);
        CHECK(read.filter.n_kinds <= FILTER_KINDS_MAX);
    } else {
        CHECK(why.n_bytes > 0 && why.n_bytes < 4096);
    }
    arena_clear(&arena);
    buf_clear(&why);
}

void fuzz_one(struct str input)
{
    struct str a = take_text(&input);
    struct str b = take_text(&input);
    int64_t at_us;

    check_token(a, b, input);
    check_cursor(input);
    check_headers(a, b);
    check_query(input);
    (void)!delivery_time_read(b, &at_us);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "\5hooks\4name00112233445566778899aabbccddeeff",
        "\4/a/b\7a=b&c=dcontinuationToken=ab&limit=20&state=dead&kind=a.b",
        "\4/a<b\7x=\"\x1f>&\xff"
        "limit=1000&since=2026-11-20T10:15:30.5%2B02:00"
        "&until=1790000000&error=timeout&code=500",
        "\1a\1bstate=delivered,retrying&kind=stack_update,order.*&id="
        "0190f3c4-7a1e-7c3b-9d52-3f1b2a4c5d6e",
        "\1a\24"
        "2026-11-20T10:15:30Zcode=0&limit=0",
    };

    return seed_text(texts, sizeof(texts) / sizeof(texts[0]), i, out);
}
