// SPDX-License-Identifier: MIT
// headers_json.c — a hook's own request headers as JSON: read, checked, masked.

#include "api/json/headers_json.h"

#include <string.h>

#include "common/log/log.h"
#include "common/model/request_header.h"

static bool is_marked(const struct hook *hook, size_t i)
{
    return (hook->secret_headers >> (i / 2) & 1) != 0;
}

// Whether the value of the header whose name is at `i` is secret.
static bool is_secret(const struct hook *hook, size_t i)
{
    return is_marked(hook, i) || header_is_secret(hook->headers[i]);
}

// The index of the header's name; `n_headers`: the hook has no such header.
static size_t find(const struct hook *hook, struct str name)
{
    size_t i = 0;

    while (i < hook->n_headers && !str_eq_any_case(hook->headers[i], name))
        i += 2;
    return i;
}

// --- reading ---

static bool is_mask_of(struct str given, struct str value)
{
    struct buf mask;
    bool is_so;

    buf_init(&mask, 0);
    header_put_mask(value, &mask);
    is_so = str_eq(buf_str(&mask), given);
    buf_clear(&mask);
    return is_so;
}

// Reads one header. A value that equals the mask of the present value keeps that value.
static enum err read_header(const struct validation *validation,
                            const struct hook *before, struct str name,
                            const struct json_value *value, struct hook *hook)
{
    struct str given = json_str(value);
    size_t was = find(before, name);
    size_t i = hook->n_headers;

    if (!json_is(value, JSON_STRING)) {
        buf_printf(validation->why, "headers: %s must be a string, not %s",
                   log_quote(name), json_type_name(value));
        return ERR_INVALID;
    }
    if (i == (size_t)2 * HEADERS_MAX) {
        buf_printf(validation->why, "headers: more than %d", HEADERS_MAX);
        return ERR_INVALID;
    }
    if (was < before->n_headers && is_marked(before, was))
        hook->secret_headers |= UINT64_C(1) << (i / 2);
    if (was < before->n_headers && is_secret(before, was) &&
        is_mask_of(given, before->headers[was + 1])) {
        hook->headers[i + 1] = before->headers[was + 1];
    } else {
        hook->headers[i + 1] = arena_copy(validation->arena, given);
    }
    hook->headers[i] = arena_copy(validation->arena, name);
    hook->n_headers = i + 2;
    return header_check(name, given, validation->why);
}

static enum err read_headers(const struct validation *validation,
                             const struct json_value *object,
                             const struct hook *before, struct hook *hook)
{
    struct json_iter it = json_iter(object);
    const struct json_value *value;
    struct str name;

    validation_at(validation, "headers");
    if (object == NULL)
        return OK;
    if (!json_is(object, JSON_OBJECT)) {
        buf_printf(validation->why,
                   "headers must be an object of strings, not %s",
                   json_type_name(object));
        return ERR_INVALID;
    }
    hook->n_headers = 0;
    hook->secret_headers = 0;
    hook->headers = arena_take(validation->arena, (size_t)2 * HEADERS_MAX *
                                                      sizeof(*hook->headers));
    while ((value = json_next(&it, &name)) != NULL) {
        enum err err = read_header(validation, before, name, value, hook);

        if (err != OK)
            return err;
    }
    return OK;
}

static enum err read_marks(const struct validation *validation,
                           const struct json_value *list, struct hook *hook)
{
    struct json_iter it = json_iter(list);
    const struct json_value *item;

    validation_at(validation, "secretHeaders");
    if (list == NULL)
        return OK;
    if (!json_is(list, JSON_ARRAY) && !json_is(list, JSON_NULL)) {
        buf_printf(validation->why,
                   "secretHeaders must be an array of strings, not %s",
                   json_type_name(list));
        return ERR_INVALID;
    }
    hook->secret_headers = 0;
    while ((item = json_next(&it, NULL)) != NULL) {
        size_t i = find(hook, json_str(item));

        if (!json_is(item, JSON_STRING) || i == hook->n_headers) {
            buf_printf(validation->why,
                       "secretHeaders: %s is the name of none of the headers",
                       json_is(item, JSON_STRING) ? log_quote(json_str(item))
                                                  : json_type_name(item));
            return ERR_INVALID;
        }
        hook->secret_headers |= UINT64_C(1) << (i / 2);
    }
    return OK;
}

// Refuses a mask that does not belong to a known value: it would be sent to the
// receiver as if it were the value.
static enum err refuse_masks(const struct validation *validation,
                             const struct hook *before, const struct hook *hook)
{
    validation_at(validation, "headers");
    for (size_t i = 0; i + 1 < hook->n_headers; i += 2) {
        size_t was = find(before, hook->headers[i]);

        if (!is_secret(hook, i) || !header_is_mask(hook->headers[i + 1]) ||
            (was < before->n_headers &&
             str_eq(before->headers[was + 1], hook->headers[i + 1])))
            continue;
        buf_printf(validation->why,
                   "headers: %s: this is what is shown in place of a value, "
                   "and of another one than is there; give the value itself",
                   log_quote(hook->headers[i]));
        return ERR_INVALID;
    }
    return OK;
}

enum err headers_merge(const struct validation *validation,
                       const struct json_value *body, struct hook *hook)
{
    const struct hook before = *hook;
    enum err err =
        read_headers(validation, member_find(body, "headers"), &before, hook);

    if (err == OK)
        err = read_marks(validation, json_get(body, "secretHeaders"), hook);
    return err == OK ? refuse_masks(validation, &before, hook) : err;
}

// --- printing ---

bool headers_have_secrets(const struct hook *hook)
{
    for (size_t i = 0; i + 1 < hook->n_headers; i += 2) {
        if (is_secret(hook, i))
            return true;
    }
    return false;
}

void headers_print(const struct hook *hook, bool is_masked,
                   struct json_writer *w)
{
    struct buf mask;

    buf_init(&mask, 0);
    json_open_object(w, "headers");
    for (size_t i = 0; i + 1 < hook->n_headers; i += 2) {
        struct str value = hook->headers[i + 1];

        if (is_masked && is_secret(hook, i)) {
            buf_reset(&mask);
            header_put_mask(value, &mask);
            value = buf_str(&mask);
        }
        json_put_key(w, hook->headers[i]);
        json_put_str(w, NULL, value);
    }
    json_close(w);
    buf_clear(&mask);
}

void headers_print_marks(const struct hook *hook, struct json_writer *w)
{
    if (hook->secret_headers == 0)
        return;
    json_open_array(w, "secretHeaders");
    for (size_t i = 0; i + 1 < hook->n_headers; i += 2) {
        if (is_marked(hook, i))
            json_put_str(w, NULL, hook->headers[i]);
    }
    json_close(w);
}

void headers_mask_text(struct str text, struct buf *out)
{
    while (text.n_bytes > 0) {
        const char *end = memchr(text.at, '\n', text.n_bytes);
        size_t n_line =
            end != NULL ? (size_t)(end + 1 - text.at) : text.n_bytes;
        const char *colon = memchr(text.at, ':', n_line);
        struct str name = { text.at,
                            colon != NULL ? (size_t)(colon - text.at) : 0 };
        size_t n_value = n_line;

        while (n_value > name.n_bytes &&
               (text.at[n_value - 1] == '\n' || text.at[n_value - 1] == '\r'))
            n_value--;
        if (name.n_bytes > 0 && n_value >= name.n_bytes + 2 &&
            header_is_secret(name)) {
            buf_put(out, text.at, name.n_bytes + 2);
            header_put_mask((struct str){ text.at + name.n_bytes + 2,
                                          n_value - name.n_bytes - 2 },
                            out);
            buf_put(out, text.at + n_value, n_line - n_value);
        } else {
            buf_put(out, text.at, n_line);
        }
        text.at += n_line;
        text.n_bytes -= n_line;
    }
}
