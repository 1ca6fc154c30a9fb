// SPDX-License-Identifier: MIT
// facts.c — one object as a table of names and values.

#include "api/cli/core/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/core/terminal.h"

#define DEPTH_MAX 4 // of objects within each other; deeper ones are left out

// Whether a member is of no use to people: secretCiphertext, Pulumi's code of the
// secret.
static bool is_left_out(struct str key)
{
    return str_is(key, "secretCiphertext");
}

static bool ends_with(struct str text, const char *end)
{
    size_t n = strlen(end);

    return text.n_bytes >= n && memcmp(text.at + text.n_bytes - n, end, n) == 0;
}

// Appends a member's name as words: "payloadUrl" as "payload url".
static void put_name(struct buf *out, struct str key)
{
    for (size_t i = 0; i < key.n_bytes; i++) {
        char c = key.at[i];
        bool is_upper = c >= 'A' && c <= 'Z';

        if (is_upper && i > 0)
            buf_putc(out, ' ');
        buf_putc(out, (char)(is_upper ? c | 0x20 : c));
    }
}

// Appends an RFC 3339 time in UTC in the form of terminal_put_time(). False: it is not
// one.
static bool put_utc(struct buf *out, struct str text)
{
    if (text.n_bytes < strlen("2026-11-24T10:15:30Z") || text.at[4] != '-' ||
        text.at[7] != '-' || text.at[10] != 'T' || text.at[13] != ':' ||
        text.at[text.n_bytes - 1] != 'Z')
        return false;
    buf_put(out, text.at, 10);
    buf_putc(out, ' ');
    buf_put(out, text.at + 11, 8);
    return true;
}

static bool is_time(struct str key)
{
    return ends_with(key, "At") || ends_with(key, "Since") ||
           str_is(key, "at") || str_is(key, "until");
}

static void put_number(struct buf *out, struct str key,
                       const struct json_value *v)
{
    int64_t n;

    if (json_int(v, &n) != OK || n < 0) {
        buf_put_str(out, json_number(v));
    } else if (is_time(key)) {
        terminal_put_time(out, n / 1000);
    } else if (ends_with(key, "Bytes") || str_is(key, "bytes")) {
        terminal_put_bytes(out, (uint64_t)n);
    } else if (ends_with(key, "percent") || ends_with(key, "Percent")) {
        buf_printf(out, "%" PRId64 " %%", n);
    } else {
        buf_put_i64(out, n);
    }
}

static void put_value(struct buf *out, struct str key,
                      const struct json_value *v)
{
    struct json_iter it = json_iter(v);
    const struct json_value *item;
    const char *separator = "";

    if (json_is(v, JSON_STRING)) {
        if (!is_time(key) || !put_utc(out, json_str(v)))
            buf_put_str(out, json_str(v));
    } else if (json_is(v, JSON_NUMBER)) {
        put_number(out, key, v);
    } else if (json_is(v, JSON_BOOL)) {
        buf_puts(out, json_bool(v) ? "yes" : "no");
    } else if (json_is(v, JSON_ARRAY)) {
        while ((item = json_next(&it, NULL)) != NULL) {
            buf_puts(out, separator);
            if (!json_is(item, JSON_ARRAY))
                put_value(out, key, item);
            separator = ", ";
        }
    }
}

// Adds the rows of an object; their names begin with `prefix`.
// NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX deep
static void put_rows(struct table *t, const struct json_value *object,
                     const char *prefix, unsigned depth)
{
    struct json_iter it = json_iter(object);
    const struct json_value *v;
    struct buf name, value;
    struct str key;

    buf_init(&name, 0);
    buf_init(&value, 0);
    while ((v = json_next(&it, &key)) != NULL) {
        buf_reset(&name);
        buf_reset(&value);
        buf_puts(&name, prefix);
        // Names of headers are shown unchanged.
        if (strcmp(prefix, "headers ") == 0) {
            buf_put_str(&name, key);
        } else {
            put_name(&name, key);
        }
        if (json_is(v, JSON_OBJECT) && depth < DEPTH_MAX) {
            buf_putc(&name, ' ');
            put_rows(t, v, buf_cstr(&name), depth + 1);
            continue;
        }
        put_value(&value, key, v);
        if (value.n_bytes == 0 || is_left_out(key))
            continue;
        table_put(t, buf_str(&name), PLAIN);
        table_put(t, buf_str(&value), PLAIN);
    }
    buf_clear(&name);
    buf_clear(&value);
}

void facts_print(const struct json_value *object)
{
    static const char *const titles[] = { "FIELD", "VALUE" };
    struct table t;

    table_init(&t, titles, 2, "");
    put_rows(&t, object, "", 0);
    table_end(&t, stdout);
}
