// SPDX-License-Identifier: MIT
// when.c — times as people write them on a command line.

#include "api/cli/core/when.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/json/delivery_filter.h"
#include "common/base/str.h"
#include "common/config/config_types.h"

#define DAY_S      INT64_C(86400)
#define AGO_DIGITS 9
#define TIME_BYTES 32 // holds a time with seconds and zone
#define US_PER_S   1000000

// Reads a time in the past, as "24h": 24 hours ago.
static bool read_ago(const char *text, int64_t now_s, int64_t *out_s)
{
    static const struct {
        char letter;
        int64_t s;
    } units[] = {
        { 's', 1 },     { 'm', 60 },        { 'h', 3600 },
        { 'd', DAY_S }, { 'w', 7 * DAY_S },
    };
    size_t n_digits = strspn(text, "0123456789");
    uint64_t n;

    if (n_digits == 0 || n_digits > AGO_DIGITS || text[n_digits] == '\0' ||
        text[n_digits + 1] != '\0' ||
        config_read_count((struct str){ text, n_digits }, 0, UINT32_MAX, &n) !=
            OK)
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].letter == text[n_digits]) {
            *out_s = now_s - (int64_t)n * units[i].s;
            return *out_s >= 0;
        }
    }
    return false;
}

// Reads "2026-11-24" and "2026-11-24 10:15" by adding what RFC 3339 requires.
static bool read_short(const char *text, int64_t *out_s)
{
    static const char missing[] = "0000-00-00T00:00:00Z";
    size_t n = strlen(text);
    char whole[TIME_BYTES];
    int64_t us;

    if (n != strlen("2026-11-24") && n != strlen("2026-11-24 10:15") &&
        n != strlen("2026-11-24 10:15:30"))
        return false;
    snprintf(whole, sizeof(whole), "%s%s", text, missing + n);
    if (delivery_time_read(str_of(whole), &us) != OK)
        return false;
    *out_s = us / US_PER_S;
    return true;
}

bool when_read(const char *text, int64_t now_s, int64_t *out_s)
{
    int64_t today_s = now_s - now_s % DAY_S;
    int64_t us;

    if (strcasecmp(text, "now") == 0) {
        *out_s = now_s;
    } else if (strcasecmp(text, "today") == 0) {
        *out_s = today_s;
    } else if (strcasecmp(text, "yesterday") == 0) {
        *out_s = today_s - DAY_S;
    } else if (delivery_time_read(str_of(text), &us) == OK) {
        *out_s = us / US_PER_S;
    } else {
        return read_ago(text, now_s, out_s) || read_short(text, out_s);
    }
    return true;
}
