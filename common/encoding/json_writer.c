// SPDX-License-Identifier: MIT
// json_writer.c — writes JSON (RFC 8259) into a buffer, value after value.

#include "common/encoding/json_writer.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct json_writer json_writer(struct buf *out)
{
    return (struct json_writer){ .out = out };
}

static bool is_in_object(const struct json_writer *w)
{
    return w->depth > 0 && (w->objects >> (w->depth - 1) & 1) != 0;
}

// Writes what stands before a value: a comma and the name.
static void begin(struct json_writer *w, const char *key)
{
    bool has_comma = w->has_value && !w->has_key;
    size_t n_bytes = has_comma + (key != NULL ? strlen(key) + 3 : 0);
    char *to = n_bytes > 0 ? buf_reserve(w->out, n_bytes) : NULL;

    assert(!w->is_quoted);
    assert(w->depth > 0 || !w->has_value);                  // one root
    assert(is_in_object(w) == (w->has_key || key != NULL)); // names
    assert(!w->has_key || key == NULL);
    w->has_key = false;
    w->has_value = true;
    if (to == NULL)
        return;
    if (has_comma)
        *to++ = ',';
    if (key != NULL) {
        *to++ = '"';
        while (*key != '\0')
            *to++ = *key++;
        *to++ = '"';
        *to = ':';
    }
    buf_added(w->out, n_bytes);
}

static void open_container(struct json_writer *w, const char *key,
                           bool is_object)
{
    uint32_t bit;

    assert(w->depth < JSON_WRITER_DEPTH_MAX);
    begin(w, key);
    buf_putc(w->out, is_object ? '{' : '[');
    bit = UINT32_C(1) << w->depth++;
    w->objects = is_object ? w->objects | bit : w->objects & ~bit;
    w->has_value = false;
}

void json_open_object(struct json_writer *w, const char *key)
{
    open_container(w, key, true);
}

void json_open_array(struct json_writer *w, const char *key)
{
    open_container(w, key, false);
}

void json_close(struct json_writer *w)
{
    assert(w->depth > 0 && !w->has_key && !w->is_quoted);
    buf_putc(w->out, is_in_object(w) ? '}' : ']');
    w->depth--;
    w->has_value = true;
}

void json_put_key(struct json_writer *w, struct str name)
{
    assert(is_in_object(w) && !w->has_key && !w->is_quoted);
    if (w->has_value)
        buf_putc(w->out, ',');
    buf_put_json(w->out, name);
    buf_putc(w->out, ':');
    w->has_key = true;
}

void json_put_str(struct json_writer *w, const char *key, struct str text)
{
    begin(w, key);
    buf_put_json(w->out, text);
}

void json_put_given(struct json_writer *w, const char *key, struct str text)
{
    if (text.n_bytes > 0)
        json_put_str(w, key, text);
}

void json_put_text(struct json_writer *w, const char *key, const char *text)
{
    json_put_str(w, key, str_of(text));
}

void json_put_i64(struct json_writer *w, const char *key, int64_t number)
{
    begin(w, key);
    buf_put_i64(w->out, number);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t number)
{
    begin(w, key);
    buf_put_u64(w->out, number);
}

void json_put_bool(struct json_writer *w, const char *key, bool is_true)
{
    json_put_raw(w, key, is_true ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w, const char *key)
{
    json_put_raw(w, key, STR("null"));
}

void json_put_double(struct json_writer *w, const char *key, double number,
                     int n_decimals)
{
    if (!isfinite(number)) {
        json_put_null(w, key);
        return;
    }
    begin(w, key);
    buf_printf(w->out, "%.*f", n_decimals, number);
}

void json_put_raw(struct json_writer *w, const char *key, struct str json)
{
    begin(w, key);
    buf_put_str(w->out, json);
}

void json_put_contents(struct json_writer *w, struct str container)
{
    assert(w->depth > 0 && !w->has_key && !w->is_quoted);
    if (container.n_bytes <= 2)
        return;
    if (w->has_value)
        buf_putc(w->out, ',');
    buf_put(w->out, container.at + 1, container.n_bytes - 2);
    w->has_value = true;
}

struct buf *json_open_raw(struct json_writer *w, const char *key)
{
    begin(w, key);
    return w->out;
}

struct buf *json_open_text(struct json_writer *w, const char *key)
{
    begin(w, key);
    buf_putc(w->out, '"');
    w->is_quoted = true;
    return w->out;
}

void json_close_text(struct json_writer *w)
{
    assert(w->is_quoted);
    buf_putc(w->out, '"');
    w->is_quoted = false;
}
