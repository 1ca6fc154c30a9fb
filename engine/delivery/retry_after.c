// SPDX-License-Identifier: MIT
// retry_after.c — what a receiver asks for with Retry-After.
//
// Why not libcurl's parser: it loses large numbers and distant dates.

#include "engine/delivery/retry_after.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MS_PER_S   INT64_C(1000)
#define NAME       "retry-after:"
#define NAME_BYTES (sizeof(NAME) - 1)

static bool find(struct str headers, struct str *value)
{
    while (headers.n_bytes > 0) {
        const char *end = memchr(headers.at, '\r', headers.n_bytes);
        struct str line = headers;

        if (end == NULL)
            return false; // each line has its end
        line.n_bytes = (size_t)(end - line.at);
        headers.at += line.n_bytes + 1;
        headers.n_bytes -= line.n_bytes + 1;
        if (headers.n_bytes > 0 && headers.at[0] == '\n') {
            headers.at++;
            headers.n_bytes--;
        }
        if (line.n_bytes < NAME_BYTES ||
            strncasecmp(line.at, NAME, NAME_BYTES) != 0)
            continue;
        line.at += NAME_BYTES;
        line.n_bytes -= NAME_BYTES;
        *value = str_trim(line, STR_BLANKS);
        return true;
    }
    return false;
}

static bool read_seconds(struct str text, int64_t *out_ms)
{
    int64_t seconds = 0;

    for (size_t i = 0; i < text.n_bytes; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        if (seconds < RETRY_AFTER_MAX_MS) // a number of any length can be read
            seconds = seconds * 10 + (text.at[i] - '0');
    }
    *out_ms = seconds * MS_PER_S;
    return text.n_bytes > 0;
}

// --- dates ---

// A year of two digits is within 50 years of now (RFC 9110, 5.6.7), also across the
// turn of a century.
static int full_year(int year, int64_t now_ms)
{
    time_t now_s = (time_t)(now_ms / MS_PER_S);
    struct tm now;
    int this_year;

    if (gmtime_r(&now_s, &now) == NULL)
        return year + 2000;
    this_year = now.tm_year + 1900;
    year += this_year / 100 * 100;
    if (year > this_year + 50)
        return year - 100;
    return year <= this_year - 50 ? year + 100 : year;
}

// Tries in this order: IMF-fixdate, the form of RFC 850, and that of asctime().
static bool read_date(struct str text, int64_t now_ms, int64_t *out_ms)
{
    static const struct {
        const char *format;
        bool has_short_year;
    } forms[] = {
        { "%a, %d %b %Y %H:%M:%S GMT", false },
        { "%A, %d-%b-%y %H:%M:%S GMT", true },
        { "%a %b %e %H:%M:%S %Y", false },
    };
    char copy[64];

    if (text.n_bytes >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.n_bytes);
    copy[text.n_bytes] = '\0';
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm;
        const char *end;

        memset(&tm, 0, sizeof(tm));
        end = strptime(copy, forms[i].format, &tm);
        if (end == NULL || *end != '\0')
            continue;
        if (forms[i].has_short_year)
            tm.tm_year = full_year(tm.tm_year % 100, now_ms) - 1900;
        *out_ms = (int64_t)timegm(&tm) * MS_PER_S - now_ms;
        return true;
    }
    return false;
}

int64_t retry_after_ms(struct str headers, int64_t now_ms)
{
    struct str value;
    int64_t wait_ms;

    if (!find(headers, &value))
        return -1;
    if (!read_seconds(value, &wait_ms) && !read_date(value, now_ms, &wait_ms))
        return -1;
    if (wait_ms < 0)
        return 0;
    return wait_ms < RETRY_AFTER_MAX_MS ? wait_ms : RETRY_AFTER_MAX_MS;
}
