// SPDX-License-Identifier: MIT
// delivery_filter.c — which rows of the history a request asks for.

#include "api/json/delivery_filter.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/json/delivery_json.h"
#include "api/json/pagination.h"
#include "common/base/codec.h"
#include "common/config/config_types.h"
#include "common/log/log.h"
#include "common/model/event_kinds.h"

#define US_PER_S    INT64_C(1000000)
#define SECONDS_MAX INT64_C(253402300799) // the end of the year 9999
#define STATUS_MAX  599

// --- times ---

// Takes a number of `n_digits` digits off the front of `text`.
static bool take_digits(struct str *text, size_t n_digits, int *out)
{
    int number = 0;

    if (text->n_bytes < n_digits)
        return false;
    for (size_t i = 0; i < n_digits; i++) {
        if (text->at[i] < '0' || text->at[i] > '9')
            return false;
        number = number * 10 + (text->at[i] - '0');
    }
    text->at += n_digits;
    text->n_bytes -= n_digits;
    *out = number;
    return true;
}

static bool take_char(struct str *text, const char *one_of)
{
    if (text->n_bytes == 0 || text->at[0] == '\0' ||
        strchr(one_of, text->at[0]) == NULL)
        return false;
    text->at++;
    text->n_bytes--;
    return true;
}

// Takes a fraction of a second like ".5" off `text`; without one it is zero.
static bool take_fraction(struct str *text, int64_t *out_us)
{
    int64_t place_us = US_PER_S / 10;
    int digit;

    *out_us = 0;
    if (!take_char(text, "."))
        return true;
    if (!take_digits(text, 1, &digit))
        return false;
    do {
        *out_us += digit * place_us;
        place_us /= 10;
    } while (take_digits(text, 1, &digit));
    return true;
}

// Takes an offset, "Z" or "+02:00", off `text`.
static bool take_offset(struct str *text, int64_t *out_s)
{
    bool is_west = text->n_bytes > 0 && text->at[0] == '-';
    int hours, minutes;

    *out_s = 0;
    if (take_char(text, "Zz"))
        return true;
    if (!take_char(text, "+-") || !take_digits(text, 2, &hours) ||
        !take_char(text, ":") || !take_digits(text, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *out_s = (INT64_C(60) * hours + minutes) * 60;
    if (is_west)
        *out_s = -*out_s;
    return true;
}

static bool take_date(struct str *text, struct tm *out)
{
    struct tm given, normal;
    time_t seconds;

    memset(&given, 0, sizeof(given));
    if (!take_digits(text, 4, &given.tm_year) || !take_char(text, "-") ||
        !take_digits(text, 2, &given.tm_mon) || !take_char(text, "-") ||
        !take_digits(text, 2, &given.tm_mday) || !take_char(text, "Tt ") ||
        !take_digits(text, 2, &given.tm_hour) || !take_char(text, ":") ||
        !take_digits(text, 2, &given.tm_min) || !take_char(text, ":") ||
        !take_digits(text, 2, &given.tm_sec))
        return false;
    if (given.tm_hour > 23 || given.tm_min > 59 || given.tm_sec > 60)
        return false;
    given.tm_year -= 1900;
    given.tm_mon -= 1;
    normal = given;
    seconds = timegm(&normal);
    *out = given;
    // The 31st of June comes back as the 1st of July.
    return given.tm_sec == 60 ||
           (gmtime_r(&seconds, &normal) != NULL &&
            normal.tm_mon == given.tm_mon && normal.tm_mday == given.tm_mday);
}

static enum err read_rfc3339(struct str text, int64_t *out_us)
{
    struct tm date;
    int64_t fraction_us, offset_s;

    if (!take_date(&text, &date) || !take_fraction(&text, &fraction_us) ||
        !take_offset(&text, &offset_s) || text.n_bytes > 0)
        return ERR_INVALID;
    *out_us = ((int64_t)timegm(&date) - offset_s) * US_PER_S + fraction_us;
    return OK;
}

enum err delivery_time_read(struct str text, int64_t *out_us)
{
    uint64_t seconds;

    if (config_read_count(text, 0, SECONDS_MAX, &seconds) == OK) {
        *out_us = (int64_t)seconds * US_PER_S;
        return OK;
    }
    if (text.n_bytes ==
        strlen("2026-11-24")) { // the beginning of a day, in UTC
        char midnight[] = "0000-00-00T00:00:00Z";

        memcpy(midnight, text.at, text.n_bytes);
        return read_rfc3339(str_of(midnight), out_us);
    }
    return read_rfc3339(text, out_us);
}

// --- parameters ---

static enum err read_limit(struct delivery_query *q, struct str text)
{
    uint64_t limit;
    enum err err = config_read_count(text, 1, DELIVERIES_MAX, &limit);

    if (err == OK)
        q->limit = (size_t)limit;
    return err;
}

static enum err read_cursor(struct delivery_query *q, struct str text)
{
    q->cursor = text;
    return text.n_bytes > 0 ? OK : ERR_INVALID;
}

static enum err read_id(struct delivery_query *q, struct str text)
{
    q->has_id = true;
    return id_parse(text, &q->id);
}

// Adds each item of a comma-separated list to the filter. ERR_INVALID: an item is not
// allowed.
static enum err each_item(struct str text, struct history_filter *f,
                          enum err (*take)(struct history_filter *f,
                                           struct str item))
{
    enum err err = text.n_bytes > 0 ? OK : ERR_INVALID;

    while (err == OK && text.at != NULL) {
        const char *comma = memchr(text.at, ',', text.n_bytes);
        struct str item = text;

        if (comma != NULL)
            item.n_bytes = (size_t)(comma - text.at);
        err = take(f, item);
        text = comma != NULL
                   ? (struct str){ comma + 1, text.n_bytes - item.n_bytes - 1 }
                   : (struct str){ NULL, 0 };
    }
    return err;
}

static enum err take_kind(struct history_filter *f, struct str item)
{
    if (item.n_bytes == 0 || f->n_kinds == FILTER_KINDS_MAX ||
        (memchr(item.at, '*', item.n_bytes) != NULL && !kind_is_pattern(item)))
        return ERR_INVALID;
    f->kinds[f->n_kinds++] = item;
    return OK;
}

static enum err take_state(struct history_filter *f, struct str item)
{
    for (unsigned state = DELIVERY_DELIVERED; state <= DELIVERY_CANCELLED;
         state++) {
        if (str_is(item, delivery_state_name((enum delivery_state)state))) {
            f->states |= 1U << state;
            return OK;
        }
    }
    return ERR_INVALID;
}

static enum err take_error(struct history_filter *f, struct str item)
{
    for (unsigned class = ERROR_NONE; class < ERROR_CLASSES; class ++) {
        if (str_is(item, error_name((enum error_class) class))) {
            f->errors |= 1U << class;
            return OK;
        }
    }
    return ERR_INVALID;
}

static enum err read_kind(struct delivery_query *q, struct str text)
{
    return each_item(text, &q->filter, take_kind);
}

static enum err read_code(struct delivery_query *q, struct str text)
{
    uint64_t code;
    enum err err = config_read_count(text, 0, STATUS_MAX, &code);

    if (err != OK)
        return err;
    q->filter.has_code = true;
    q->filter.code = (uint16_t)code;
    return OK;
}

static enum err read_state(struct delivery_query *q, struct str text)
{
    return each_item(text, &q->filter, take_state);
}

static enum err read_error(struct delivery_query *q, struct str text)
{
    return each_item(text, &q->filter, take_error);
}

static enum err read_since(struct delivery_query *q, struct str text)
{
    return delivery_time_read(text, &q->filter.since_us);
}

static enum err read_until(struct delivery_query *q, struct str text)
{
    return delivery_time_read(text, &q->filter.until_us);
}

#define ALLOWED_KIND                                                 \
    "up to 16 kinds of events, with commas; a * stands at the end, " \
    "after a dot, slash or colon, like order.*"
#define ALLOWED_CODE "a status code, or 0 for no response"
#define ALLOWED_STATES \
    "delivered, retrying, dead or cancelled; several with commas"
#define ALLOWED_ERRORS                                                       \
    "none, dns, connect, tls, timeout, reset, protocol, status, blocked or " \
    "gone; several with commas"
#define ALLOWED_TIME "unix seconds, RFC 3339, or a day like 2026-11-24 (UTC)"

static const struct {
    const char *name;
    enum err (*read)(struct delivery_query *q, struct str text);
    const char *allowed;
} params[] = {
    { "limit", read_limit, "a number from 1 to 1000" },
    { "continuationToken", read_cursor, "one that this server gave out" },
    { "id", read_id, "a UUID" },
    { "kind", read_kind, ALLOWED_KIND },
    { "code", read_code, ALLOWED_CODE },
    { "state", read_state, ALLOWED_STATES },
    { "error", read_error, ALLOWED_ERRORS },
    { "since", read_since, ALLOWED_TIME },
    { "until", read_until, ALLOWED_TIME },
};

enum err delivery_query_read(const struct http_request *r, struct arena *arena,
                             struct delivery_query *out, struct buf *why)
{
    enum err err = OK;
    struct buf value;

    *out = (struct delivery_query){ .limit = DELIVERIES_DEFAULT,
                                    .filter = history_all };
    buf_init(&value, 0);
    for (size_t i = 0; err == OK && i < sizeof(params) / sizeof(params[0]);
         i++) {
        buf_reset(&value);
        err = http_query(r, params[i].name, &value);
        if (err == OK) {
            err = params[i].read(out, arena_copy(arena, buf_str(&value)));
        } else if (err == ERR_NOTFOUND) {
            err = OK;
        }
        if (err != OK) {
            buf_printf(why, "%s: %s is not allowed; allowed: %s",
                       params[i].name, log_quote(buf_str(&value)),
                       params[i].allowed);
        }
    }
    buf_clear(&value);
    return err == OK ? OK : ERR_INVALID;
}

// --- filters from JSON ---

static enum err refuse(const char *key, const struct json_value *v,
                       const char *allowed, struct buf *why)
{
    buf_printf(why, "%s: %s is not allowed; allowed: %s", key,
               json_is(v, JSON_STRING) ? log_quote(json_str(v)) : "this type",
               allowed);
    return ERR_INVALID;
}

// Reads items from a comma-separated string, or from an array of strings.
static enum err read_items(const struct json_value *v, const char *key,
                           struct history_filter *f, const char *allowed,
                           enum err (*take)(struct history_filter *f,
                                            struct str item),
                           struct buf *why)
{
    struct json_iter it = json_iter(v);
    const struct json_value *item;

    if (json_is(v, JSON_STRING)) {
        return each_item(json_str(v), f, take) == OK
                   ? OK
                   : refuse(key, v, allowed, why);
    }
    // An empty list would filter nothing, and so choose everything.
    if (!json_is(v, JSON_ARRAY) || json_size(v) == 0)
        return refuse(key, v, allowed, why);
    while ((item = json_next(&it, NULL)) != NULL) {
        if (!json_is(item, JSON_STRING) || take(f, json_str(item)) != OK)
            return refuse(key, item, allowed, why);
    }
    return OK;
}

enum err filter_read_states(const struct json_value *v, const char *key,
                            struct history_filter *f, struct buf *why)
{
    return read_items(v, key, f, ALLOWED_STATES, take_state, why);
}

enum err filter_read_errors(const struct json_value *v, const char *key,
                            struct history_filter *f, struct buf *why)
{
    return read_items(v, key, f, ALLOWED_ERRORS, take_error, why);
}

enum err filter_read_kinds(const struct json_value *v, const char *key,
                           struct history_filter *f, struct buf *why)
{
    return read_items(v, key, f, ALLOWED_KIND, take_kind, why);
}

enum err filter_read_code(const struct json_value *v, const char *key,
                          struct history_filter *f, struct buf *why)
{
    struct delivery_query q = { .filter = *f };

    if (!json_is(v, JSON_NUMBER) || read_code(&q, json_number(v)) != OK)
        return refuse(key, v, ALLOWED_CODE, why);
    *f = q.filter;
    return OK;
}

enum err filter_read_time(const struct json_value *v, const char *key,
                          int64_t *out_us, struct buf *why)
{
    struct str text = json_is(v, JSON_NUMBER) ? json_number(v) : json_str(v);

    if ((!json_is(v, JSON_NUMBER) && !json_is(v, JSON_STRING)) ||
        delivery_time_read(text, out_us) != OK)
        return refuse(key, v, ALLOWED_TIME, why);
    return OK;
}

// --- cursors ---

static void put_number(struct buf *out, uint64_t n)
{
    uint8_t bytes[8];

    put_be64(bytes, n);
    buf_put(out, bytes, sizeof(bytes));
}

void cursor_put(const uint8_t key[SHA256_BYTES], uint64_t owner_no,
                const uint64_t *row_nos, size_t n, struct buf *out)
{
    struct buf owner, rows;

    buf_init(&owner, 0);
    buf_init(&rows, 0);
    put_number(&owner, owner_no);
    for (size_t i = 0; i < n; i++)
        put_number(&rows, row_nos[i]);
    page_token_put(key, buf_str(&owner), buf_str(&rows), out);
    buf_clear(&rows);
    buf_clear(&owner);
}

enum err cursor_read(const uint8_t key[SHA256_BYTES], struct str text,
                     uint64_t owner_no, uint64_t *row_nos, size_t n)
{
    struct buf owner, rows;
    enum err err;

    buf_init(&owner, 0);
    buf_init(&rows, 0);
    put_number(&owner, owner_no);
    err = page_token_read(key, buf_str(&owner), text, &rows);
    if (err == OK && rows.n_bytes != n * 8)
        err = ERR_INVALID;
    for (size_t i = 0; i < n && err == OK; i++)
        row_nos[i] = get_be64((const uint8_t *)rows.at + i * 8);
    buf_clear(&rows);
    buf_clear(&owner);
    return err;
}
