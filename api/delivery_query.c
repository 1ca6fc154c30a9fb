// delivery_query.c — which rows of a history are asked for.

#include "api/delivery_query.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/delivery_json.h"
#include "api/paging.h"
#include "common/codec.h"
#include "common/config_types.h"
#include "common/log.h"

#define US_PER_S    INT64_C(1000000)
#define SECONDS_MAX INT64_C(253402300799) // the end of the year 9999
#define STATUS_MAX  599

// --- times ---

// A number of `n_digits` digits, taken off `text`.
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

// ".5" and the like; nothing is a fraction of zero.
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

// "Z" or "+02:00".
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

static enum err read_kind(struct delivery_query *q, struct str text)
{
    q->kind = text;
    return text.n_bytes > 0 ? OK : ERR_INVALID;
}

static enum err read_code(struct delivery_query *q, struct str text)
{
    uint64_t code;
    enum err err = config_read_count(text, 0, STATUS_MAX, &code);

    if (err != OK)
        return err;
    q->has_code = true;
    q->code = (uint16_t)code;
    return OK;
}

static enum err read_state(struct delivery_query *q, struct str text)
{
    static const enum delivery_state states[] = {
        DELIVERY_DELIVERED, DELIVERY_RETRYING, DELIVERY_DEAD, DELIVERY_CANCELLED
    };

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (str_is(text, delivery_state_name(states[i]))) {
            q->has_state = true;
            q->state = states[i];
            return OK;
        }
    }
    return ERR_INVALID;
}

static enum err read_since(struct delivery_query *q, struct str text)
{
    return delivery_time_read(text, &q->since_us);
}

static enum err read_until(struct delivery_query *q, struct str text)
{
    return delivery_time_read(text, &q->until_us);
}

static const struct {
    const char *name;
    enum err (*read)(struct delivery_query *q, struct str text);
    const char *allowed;
} params[] = {
    { "limit", read_limit, "a number from 1 to 1000" },
    { "continuationToken", read_cursor, "one that this server gave out" },
    { "id", read_id, "a UUID" },
    { "kind", read_kind, "the kind of an event" },
    { "code", read_code, "a status code, or 0 for no response" },
    { "state", read_state, "delivered, retrying, dead or cancelled" },
    { "since", read_since, "unix seconds or RFC 3339" },
    { "until", read_until, "unix seconds or RFC 3339" },
};

enum err delivery_query_read(const struct http_request *r, struct arena *arena,
                             struct delivery_query *out, struct buf *why)
{
    enum err err = OK;
    struct buf value;

    *out = (struct delivery_query){ .limit = DELIVERIES_DEFAULT,
                                    .since_us = INT64_MIN,
                                    .until_us = INT64_MAX };
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

bool delivery_query_wants(const struct delivery_query *q,
                          const struct attempt *attempt)
{
    if (q->has_id && !id_eq(&q->id, &attempt->event_id))
        return false;
    if (q->kind.n_bytes > 0 && !str_eq(q->kind, attempt->kind))
        return false;
    if (q->has_code && q->code != attempt->response_code)
        return false;
    if (q->has_state && q->state != attempt->state)
        return false;
    return attempt->started_at_us >= q->since_us &&
           attempt->started_at_us < q->until_us;
}

// --- cursors ---

static struct str bytes_of(uint8_t bytes[8], uint64_t n)
{
    put_be64(bytes, n);
    return (struct str){ (const char *)bytes, 8 };
}

void cursor_put(const uint8_t key[SHA256_BYTES], uint64_t hook_no,
                uint64_t row_no, struct buf *out)
{
    uint8_t hook[8];
    uint8_t row[8];

    page_token_put(key, bytes_of(hook, hook_no), bytes_of(row, row_no), out);
}

enum err cursor_read(const uint8_t key[SHA256_BYTES], struct str text,
                     uint64_t hook_no, uint64_t *row_no)
{
    uint8_t hook[8];
    struct buf row;
    enum err err;

    buf_init(&row, 0);
    err = page_token_read(key, bytes_of(hook, hook_no), text, &row);
    if (err == OK && row.n_bytes != 8)
        err = ERR_INVALID;
    if (err == OK)
        *row_no = get_be64((const uint8_t *)row.at);
    buf_clear(&row);
    return err;
}
