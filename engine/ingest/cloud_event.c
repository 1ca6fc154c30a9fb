// SPDX-License-Identifier: MIT
// cloud_event.c — the attributes of a CloudEvent, version 1.0, as they are posted.
//
// Happy path: each attribute is checked by what the specification says of it, and those
// that go on to receivers are written into one JSON object.

#include "engine/ingest/cloud_event.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/base/utf8.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "common/http/http.h"
#include "common/log/log.h"

#define ID_MAX_BYTES     255
#define SOURCE_MAX_BYTES 1024
#define PREFIX           "ce-"

// An attribute as it was posted.
struct attribute {
    struct str name;
    struct str text; // of a string; empty otherwise
    struct str json; // its JSON text; empty: it is a string
    const char *type_name;
    bool is_string;
};

struct reading {
    struct cloud_event *out;
    struct arena *arena;
    struct buf *why;
    struct json_writer w;
    bool has_version;
};

// --- what attributes may be ---

static enum err refuse(struct reading *r, const struct attribute *a,
                       const char *allowed)
{
    buf_printf(r->why, "%.*s of the CloudEvent is %s; it must be %s",
               STR_ARG(a->name),
               a->is_string ? log_quote(a->text) : a->type_name, allowed);
    return ERR_INVALID;
}

static bool is_json_type(struct str type)
{
    const char *end =
        type.n_bytes > 0 ? memchr(type.at, ';', type.n_bytes) : NULL;

    if (end != NULL)
        type.n_bytes = (size_t)(end - type.at);
    while (type.n_bytes > 0 && type.at[type.n_bytes - 1] == ' ')
        type.n_bytes--;
    for (size_t i = 0; i + 5 <= type.n_bytes; i++) {
        if (i + 5 == type.n_bytes && strncasecmp(type.at + i, "+json", 5) == 0)
            return true;
    }
    return (type.n_bytes == 16 &&
            strncasecmp(type.at, "application/json", 16) == 0) ||
           (type.n_bytes == 9 && strncasecmp(type.at, "text/json", 9) == 0);
}

static bool is_text(struct str s, size_t max_bytes)
{
    if (s.n_bytes == 0 || s.n_bytes > max_bytes ||
        !utf8_is_valid(s.at, s.n_bytes))
        return false;
    for (size_t i = 0; i < s.n_bytes; i++) {
        if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f)
            return false;
    }
    return true;
}

// A URI reference (RFC 3986): visible ASCII.
static bool is_reference(struct str s)
{
    for (size_t i = 0; i < s.n_bytes; i++) {
        if (s.at[i] <= ' ' || s.at[i] >= 0x7f)
            return false;
    }
    return s.n_bytes > 0 && s.n_bytes <= SOURCE_MAX_BYTES;
}

// Matches `form`, in which 0 stands for a digit, and letters are of either case.
static bool is_like(const char *at, const char *form)
{
    for (; *form != '\0'; at++, form++) {
        bool is_digit = isdigit((unsigned char)*at) != 0;

        if (*form == '0' && !is_digit)
            return false;
        if (*form != '0' && *at != *form && (*at & ~0x20) != *form)
            return false;
    }
    return true;
}

static unsigned two(const char *digits)
{
    return (unsigned)(digits[0] - '0') * 10 + (unsigned)(digits[1] - '0');
}

// RFC 3339, section 5.6.
static bool is_time(struct str s)
{
    char text[48] = { 0 };
    size_t at = 19;

    if (s.n_bytes < 20 || s.n_bytes >= sizeof(text))
        return false;
    memcpy(text, s.at, s.n_bytes);
    if (!is_like(text, "0000-00-00T00:00:00") || two(text + 5) - 1 > 11 ||
        two(text + 8) - 1 > 30 || two(text + 11) > 23 || two(text + 14) > 59 ||
        two(text + 17) > 60)
        return false;
    if (text[at] == '.') {
        at++;
        if (!isdigit((unsigned char)text[at]))
            return false;
        while (isdigit((unsigned char)text[at]))
            at++;
    }
    if (toupper((unsigned char)text[at]) == 'Z')
        return at + 1 == s.n_bytes;
    return (text[at] == '+' || text[at] == '-') && at + 6 == s.n_bytes &&
           is_like(text + at + 1, "00:00") && two(text + at + 1) <= 23 &&
           two(text + at + 4) <= 59;
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.n_bytes; i++) {
        if (!islower((unsigned char)name.at[i]) &&
            !isdigit((unsigned char)name.at[i]))
            return false;
    }
    return name.n_bytes > 0 && name.n_bytes <= 64;
}

// --- reading ---

static enum err take_text(struct reading *r, const struct attribute *a,
                          struct str *out)
{
    if (!a->is_string || !is_text(a->text, ID_MAX_BYTES)) {
        return refuse(r, a,
                      "a string of 1 to 255 bytes without control characters");
    }
    *out = arena_copy(r->arena, a->text);
    return OK;
}

static void keep(struct reading *r, const struct attribute *a)
{
    json_put_key(&r->w, a->name);
    if (a->is_string) {
        json_put_str(&r->w, NULL, a->text);
    } else {
        json_put_raw(&r->w, NULL, a->json);
    }
}

static enum err take_extension(struct reading *r, const struct attribute *a)
{
    if (!is_name(a->name)) {
        buf_printf(
            r->why,
            "%s is no name of an attribute of a CloudEvent; it must be 1 "
            "to 64 characters of a-z and 0-9",
            log_quote(a->name));
        return ERR_INVALID;
    }
    if (a->is_string
            ? a->text.n_bytes > 0 && !is_text(a->text, SOURCE_MAX_BYTES)
            : a->json.n_bytes == 0) {
        return refuse(
            r, a,
            "a boolean, an integer, or a string of at most 1024 bytes "
            "without control characters");
    }
    keep(r, a);
    return OK;
}

static enum err take_source(struct reading *r, const struct attribute *a)
{
    if (!a->is_string || !is_reference(a->text))
        return refuse(r, a, "a URI reference of 1 to 1024 bytes");
    r->out->source = arena_copy(r->arena, a->text);
    keep(r, a);
    return OK;
}

static enum err take_data_type(struct reading *r, const struct attribute *a)
{
    if (a->is_string && is_json_type(a->text))
        return OK;
    buf_printf(
        r->why,
        "the data of the CloudEvent is of type %s; it must be JSON, like "
        "application/json",
        a->is_string ? log_quote(a->text) : a->type_name);
    return ERR_DENIED;
}

static enum err take(struct reading *r, const struct attribute *a)
{
    if (str_is(a->name, "specversion")) {
        r->has_version = true;
        return a->is_string && str_is(a->text, "1.0") ? OK
                                                      : refuse(r, a, "\"1.0\"");
    }
    if (str_is(a->name, "id"))
        return take_text(r, a, &r->out->id);
    if (str_is(a->name, "type"))
        return take_text(r, a, &r->out->type);
    if (str_is(a->name, "source"))
        return take_source(r, a);
    if (str_is(a->name, "datacontenttype"))
        return take_data_type(r, a);
    if (str_is(a->name, "time") && !(a->is_string && is_time(a->text))) {
        return refuse(r, a,
                      "a time of RFC 3339, like \"2026-11-27T09:30:00Z\"");
    }
    if (str_is(a->name, "dataschema") &&
        !(a->is_string && is_reference(a->text)))
        return refuse(r, a, "a URI of 1 to 1024 bytes");
    return take_extension(r, a);
}

static enum err finish(struct reading *r, struct buf *attributes)
{
    const struct {
        const char *name;
        bool is_there;
    } needed[] = { { "specversion", r->has_version },
                   { "id", r->out->id.n_bytes > 0 },
                   { "source", r->out->source.n_bytes > 0 },
                   { "type", r->out->type.n_bytes > 0 } };

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!needed[i].is_there) {
            buf_printf(r->why, "%s of the CloudEvent is missing",
                       needed[i].name);
            return ERR_INVALID;
        }
    }
    if (attributes->n_bytes > CLOUD_ATTRIBUTES_MAX_BYTES) {
        buf_printf(r->why,
                   "the attributes of the CloudEvent are larger than %zu bytes",
                   CLOUD_ATTRIBUTES_MAX_BYTES);
        return ERR_INVALID;
    }
    r->out->attributes = arena_copy(r->arena, buf_str(attributes));
    return OK;
}

// --- structured mode ---

// An attribute's value; null is as if it were absent (JSON format, 2.2).
static struct attribute attribute_of(struct str name,
                                     const struct json_value *v)
{
    struct attribute a = { .name = name, .type_name = json_type_name(v) };
    int64_t number;

    if (json_is(v, JSON_STRING)) {
        a.is_string = true;
        a.text = json_str(v);
    } else if (json_is(v, JSON_BOOL)) {
        a.json = json_bool(v) ? STR("true") : STR("false");
    } else if (json_int(v, &number) == OK && number >= INT32_MIN &&
               number <= INT32_MAX) {
        a.json = json_number(v);
    }
    return a;
}

enum err cloud_event_read(const struct json_value *root, struct arena *arena,
                          struct cloud_event *out, struct buf *why)
{
    struct buf attributes;
    struct reading r = { .out = out, .arena = arena, .why = why };
    struct json_iter it = json_iter(root);
    const struct json_value *v;
    struct str name;
    enum err err = OK;

    *out = (struct cloud_event){ .id = STR_EMPTY };
    if (!json_is(root, JSON_OBJECT)) {
        buf_printf(why, "the CloudEvent is %s; it must be an object",
                   json_type_name(root));
        return ERR_INVALID;
    }
    buf_init(&attributes, 0);
    r.w = json_writer(&attributes);
    json_open_object(&r.w, NULL);
    while (err == OK && (v = json_next(&it, &name)) != NULL) {
        struct attribute a = attribute_of(name, v);

        if (str_is(name, "data_base64")) {
            buf_puts(why,
                     "data_base64 of the CloudEvent is not taken: the data "
                     "must be JSON, as the member data");
            err = ERR_DENIED;
        } else if (!str_is(name, "data") && !json_is(v, JSON_NULL)) {
            err = take(&r, &a);
        }
    }
    json_close(&r.w);
    if (err == OK)
        err = finish(&r, &attributes);
    buf_clear(&attributes);
    return err;
}

// --- binary mode ---

bool cloud_event_is_in_headers(const struct http_request *r)
{
    return http_has_header(r, "ce-specversion");
}

// A header's value is percent-encoded, and may be quoted (HTTP binding, 3.1.3.2).
static enum err decode(struct str value, struct buf *out)
{
    if (value.n_bytes >= 2 && value.at[0] == '"' &&
        value.at[value.n_bytes - 1] == '"') {
        value.at++;
        value.n_bytes -= 2;
    }
    return http_decode(value, out);
}

// Whether a header before this one has the same name.
static bool is_again(const struct http_request *r, size_t at, struct str name)
{
    struct str other;
    struct str value;

    for (size_t i = 0; i < at && http_header_at(r, i, &other, &value); i++) {
        if (other.n_bytes == name.n_bytes &&
            strncasecmp(other.at, name.at, name.n_bytes) == 0)
            return true;
    }
    return false;
}

static enum err refuse_header(struct reading *r, struct str name,
                              const char *what)
{
    buf_printf(r->why, "the header %s of the CloudEvent %s", log_quote(name),
               what);
    return ERR_INVALID;
}

static enum err take_value(struct reading *r, struct str name, struct str value)
{
    struct attribute a = { .name = name, .is_string = true };
    struct buf text;
    enum err err;

    buf_init(&text, 0);
    err = decode(value, &text);
    a.text = err == OK ? buf_str(&text) : value;
    if (err != OK) {
        err = refuse(r, &a, "percent-encoded UTF-8");
    } else if (!str_is(name, "datacontenttype")) { // Content-Type says that
        err = take(r, &a);
    }
    buf_clear(&text);
    return err;
}

static enum err take_header(struct reading *r, const struct http_request *from,
                            size_t at, struct str header, struct str value)
{
    char lower[64];
    size_t n_bytes = header.n_bytes - strlen(PREFIX);
    struct str name;

    if (n_bytes > sizeof(lower))
        return refuse_header(r, header, "has more than 64 characters");
    if (is_again(from, at, header))
        return refuse_header(r, header, "is given twice");
    for (size_t i = 0; i < n_bytes; i++)
        lower[i] = (char)tolower((unsigned char)header.at[strlen(PREFIX) + i]);
    name = (struct str){ lower, n_bytes };
    if (str_is(name, "data") || str_is(name, "data_base64")) {
        return refuse_header(r, header,
                             "is none: the data is the body of the request");
    }
    return take_value(r, name, value);
}

enum err cloud_event_read_headers(const struct http_request *r,
                                  struct arena *arena, struct cloud_event *out,
                                  struct buf *why)
{
    struct attribute content = { .name = STR("datacontenttype"),
                                 .is_string = true,
                                 .text = http_header(r, "content-type") };
    struct buf attributes;
    struct reading reading = { .out = out, .arena = arena, .why = why };
    struct str name;
    struct str value;
    enum err err = OK;

    *out = (struct cloud_event){ .id = STR_EMPTY };
    if (http_has_header(r, "content-type")) {
        err = take_data_type(&reading, &content);
        if (err != OK)
            return err;
    }
    buf_init(&attributes, 0);
    reading.w = json_writer(&attributes);
    json_open_object(&reading.w, NULL);
    for (size_t i = 0; err == OK && http_header_at(r, i, &name, &value); i++) {
        if (name.n_bytes > strlen(PREFIX) &&
            strncasecmp(name.at, PREFIX, strlen(PREFIX)) == 0)
            err = take_header(&reading, r, i, name, value);
    }
    json_close(&reading.w);
    if (err == OK)
        err = finish(&reading, &attributes);
    buf_clear(&attributes);
    return err;
}

struct str cloud_event_key(const struct cloud_event *ce, struct arena *arena)
{
    struct buf key;
    struct str copy;

    buf_init(&key, 0);
    buf_puts(&key, "cloudevent\n");
    buf_put_str(&key, ce->source);
    buf_putc(&key, '\n');
    buf_put_str(&key, ce->id);
    copy = arena_copy(arena, buf_str(&key));
    buf_clear(&key);
    return copy;
}

// --- batches ---

static void skip_blanks(struct str *s)
{
    while (s->n_bytes > 0 && (*s->at == ' ' || *s->at == '\t' ||
                              *s->at == '\n' || *s->at == '\r')) {
        s->at++;
        s->n_bytes--;
    }
}

// The length of the value at the beginning of `s`, up to the comma or bracket after it;
// more than `max_bytes`: it is not known.
static size_t value_bytes(struct str s, size_t max_bytes)
{
    size_t depth = 0;
    bool is_quoted = false;
    size_t i = 0;

    for (; i < s.n_bytes && i <= max_bytes; i++) {
        char c = s.at[i];

        if (is_quoted) {
            i += c == '\\';
            is_quoted = c != '"';
        } else if (c == '"') {
            is_quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return i;
            depth--;
        } else if (c == ',' && depth == 0) {
            return i;
        }
    }
    return i < s.n_bytes ? i : s.n_bytes;
}

enum err cloud_batch_next(struct str *rest, bool is_first, size_t max_bytes,
                          struct str *out)
{
    size_t n_bytes;

    skip_blanks(rest);
    if (rest->n_bytes == 0)
        return ERR_INVALID;
    if (*rest->at == ']') {
        rest->at++;
        rest->n_bytes--;
        skip_blanks(rest);
        return rest->n_bytes == 0 ? ERR_NOTFOUND : ERR_INVALID;
    }
    if (!is_first) {
        if (*rest->at != ',')
            return ERR_INVALID;
        rest->at++;
        rest->n_bytes--;
        skip_blanks(rest);
    }
    n_bytes = value_bytes(*rest, max_bytes);
    if (n_bytes > max_bytes)
        return ERR_TOOBIG;
    *out = (struct str){ rest->at, n_bytes };
    rest->at += n_bytes;
    rest->n_bytes -= n_bytes;
    return n_bytes > 0 ? OK : ERR_INVALID;
}
