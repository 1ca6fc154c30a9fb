// SPDX-License-Identifier: MIT
// pattern_json.c — a hook's pattern as JSON: read, checked, printed.

#include "api/json/pattern_json.h"

#include "common/base/arena.h"
#include "common/pattern/pattern.h"

// --- its text ---

static void put_value(const struct json_value *v, struct buf *out);

static void put_items(const struct json_value *container, struct buf *out)
{
    struct json_iter it = json_iter(container);
    const struct json_value *item;
    struct str key = STR_EMPTY;
    bool is_object = json_is(container, JSON_OBJECT);

    buf_putc(out, is_object ? '{' : '[');
    for (size_t i = 0; (item = json_next(&it, &key)) != NULL; i++) {
        if (i > 0)
            buf_putc(out, ',');
        if (is_object) {
            buf_put_json(out, key);
            buf_putc(out, ':');
        }
        put_value(item, out);
    }
    buf_putc(out, is_object ? '}' : ']');
}

// Recurses as deep as a body may be nested.
static void put_value(const struct json_value *v, struct buf *out)
{
    switch (json_type(v)) {
    case JSON_NULL:
        buf_puts(out, "null");
        break;
    case JSON_BOOL:
        buf_puts(out, json_bool(v) ? "true" : "false");
        break;
    case JSON_NUMBER:
        buf_put_str(out, json_number(v));
        break;
    case JSON_STRING:
        buf_put_json(out, json_str(v));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        put_items(v, out);
        break;
    }
}

// --- reading ---

static enum err read_pattern(const struct validation *validation,
                             const struct json_value *v, struct hook *hook)
{
    struct pattern *p = NULL;
    struct buf text;
    struct buf why;
    enum err err;

    buf_init(&text, 0);
    buf_init(&why, 0);
    put_value(v, &text);
    err = pattern_compile(buf_str(&text), &p, &why);
    if (err != OK) {
        buf_puts(validation->why, "pattern: ");
        buf_put_str(validation->why, buf_str(&why));
    } else {
        hook->pattern = arena_copy(validation->arena, buf_str(&text));
    }
    pattern_free(p);
    buf_clear(&text);
    buf_clear(&why);
    return err;
}

// A pattern may be given as a text, as AWS takes it: so numbers that a client's parser would
// round stay as they were written.
static enum err read_text(const struct validation *validation, struct str text,
                          struct hook *hook)
{
    struct json *json = NULL;
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = json_parse(text, &json_default_limits, &json, &why);
    if (err != OK) {
        buf_puts(validation->why, "pattern: this is not JSON: ");
        buf_put_str(validation->why, buf_str(&why));
    } else {
        err = read_pattern(validation, json_root(json), hook);
    }
    json_free(json);
    buf_clear(&why);
    return err;
}

enum err pattern_merge(const struct validation *validation,
                       const struct json_value *body, struct hook *hook)
{
    const struct json_value *v = json_get(body, "pattern");

    validation_at(validation, "pattern");
    if (v == NULL)
        return OK;
    if (json_is(v, JSON_NULL)) {
        hook->pattern = STR_EMPTY;
        return OK;
    }
    return json_is(v, JSON_STRING) ? read_text(validation, json_str(v), hook)
                                   : read_pattern(validation, v, hook);
}

void pattern_print(const struct hook *hook, struct json_writer *w)
{
    if (hook->pattern.n_bytes > 0)
        json_put_raw(w, "pattern", hook->pattern);
}
