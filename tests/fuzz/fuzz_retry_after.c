// SPDX-License-Identifier: MIT
// fuzz_retry_after.c — Retry-After: seconds and the three forms of a date.
//
// Input: eight bytes of time, then the headers.

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/delivery/retry_after.h"
#include "tests/fuzz/fuzz.h"

#define YEAR_3000_S INT64_C(32503680000)

static int64_t capped(int64_t wait_ms)
{
    if (wait_ms < 0)
        return 0;
    return wait_ms < RETRY_AFTER_MAX_MS ? wait_ms : RETRY_AFTER_MAX_MS;
}

static int64_t ask(const char *value, int64_t now_ms)
{
    char header[128];
    int n = snprintf(header, sizeof(header), "X: y\r\nRETRY-After: \t%s \r\n",
                     value);

    return retry_after_ms((struct str){ header, (size_t)n }, now_ms);
}

static void put_date(int form, const struct tm *tm, char value[64])
{
    if (form == 0) {
        strftime(value, 64, "%a, %d %b %Y %H:%M:%S GMT", tm);
    } else if (form == 1) {
        size_t n = strftime(value, 64, "%A, %d-%b-", tm);

        snprintf(value + n, 64 - n, "%02d %02d:%02d:%02d GMT",
                 tm->tm_year % 100, tm->tm_hour, tm->tm_min, tm->tm_sec);
    } else {
        strftime(value, 64, "%a %b %e %H:%M:%S %Y", tm);
    }
}

// Each form of one time is read as that time.
static void check_date(int64_t at_s, int64_t now_ms)
{
    int64_t wait_ms = at_s * 1000 - now_ms;
    time_t at = (time_t)at_s;
    struct tm tm;
    char value[64];

    CHECK(gmtime_r(&at, &tm) != NULL);
    for (int i = 0; i < 3; i++) {
        // Two digits of a year only stand for years less than 50 years from now.
        if (i == 1 && (wait_ms < 0 || wait_ms > INT64_C(40) * 365 * 86400000))
            continue;
        put_date(i, &tm, value);
        CHECK(ask(value, now_ms) == capped(wait_ms));
    }
}

static void check_seconds(uint64_t seconds, int64_t now_ms)
{
    int64_t wanted = seconds > (uint64_t)RETRY_AFTER_MAX_MS
                         ? RETRY_AFTER_MAX_MS
                         : capped((int64_t)seconds * 1000);
    char value[32];

    snprintf(value, sizeof(value), "%ju", (uintmax_t)seconds);
    CHECK(ask(value, now_ms) == wanted);
    snprintf(value, sizeof(value), "-%ju", (uintmax_t)seconds);
    CHECK(ask(value, now_ms) == -1);
    snprintf(value, sizeof(value), "%ju.5", (uintmax_t)seconds);
    CHECK(ask(value, now_ms) == -1);
}

void fuzz_one(struct str input)
{
    uint64_t number = take_u64(&input);
    int64_t now_ms = (int64_t)(number % (uint64_t)(YEAR_3000_S * 1000));
    int64_t wait_ms = retry_after_ms(input, now_ms);

    CHECK(wait_ms >= -1 && wait_ms <= RETRY_AFTER_MAX_MS);
    if (input.n_bytes == 0)
        CHECK(wait_ms == -1);
    check_seconds(number >> (number & 63), now_ms);
    check_date((int64_t)(number >> 8) % YEAR_3000_S, now_ms);
    check_date(now_ms / 1000 + (int64_t)(number & 0xffff), now_ms);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "Retry-After: 120\r\n",
        "A: b\r\nretry-after:5\r\n",
        "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n",
        "Retry-After: Friday, 31-Dec-99 23:59:59 GMT\r\n",
        "Retry-After: Fri Dec 31 23:59:59 1999\r\n",
        "Retry-After: 99999999999999999999999\r\n",
    };

    if (i >= sizeof(texts) / sizeof(texts[0]))
        return false;
    buf_put(out, "\0\0\1\x94\0\0\0\7", 8);
    buf_puts(out, texts[i]);
    return true;
}
