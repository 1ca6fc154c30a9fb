// SPDX-License-Identifier: MIT
// event_parser.c — reads posted events: JSON into what the queue stores.

#include "engine/ingest/event_parser.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/encoding/json.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"
#include "common/model/event_kinds.h"
#include "engine/ingest/classify.h"

static enum err refuse(struct buf *why, const char *field,
                       const struct json_value *v, const char *allowed)
{
    if (v == NULL) {
        buf_printf(why, "%s is missing; it must be %s", field, allowed);
    } else {
        buf_printf(why, "%s is %s; it must be %s", field, json_type_name(v),
                   allowed);
    }
    return ERR_INVALID;
}

static enum err read_id(const struct json_value *root, struct new_event *out,
                        struct buf *why)
{
    const struct json_value *id = json_get(root, "id");

    if (id == NULL || json_is(id, JSON_NULL))
        return OK;
    if (!json_is(id, JSON_STRING))
        return refuse(why, "id", id, "a UUID as a string");
    if (id_parse(json_str(id), &out->event.id) != OK) {
        buf_puts(why, "id is not a UUID; it must be one, like "
                      "\"0190f3c4-7a1e-7c3b-9d52-3f1b2a4c5d6e\"");
        return ERR_INVALID;
    }
    out->has_id = true;
    return OK;
}

// Copies the text of a member, or, without a key, the whole text, without insignificant
// white space.
static enum err compact(struct str text, const char *key, struct arena *arena,
                        struct str *out)
{
    struct buf payload;
    enum err err;

    // Compact text is never longer than its source, so this never moves.
    buf_init(&payload, text.n_bytes);
    payload.at = arena_take(arena, text.n_bytes);
    payload.room_bytes = text.n_bytes;
    err = json_compact_member(text, key, &payload);
    *out = buf_str(&payload);
    return err;
}

static enum err take_akinon(struct str kind, const struct json_value *payload,
                            struct arena *arena, struct new_event *out,
                            struct buf *why)
{
    if (str_is(kind, "ping")) {
        buf_puts(why, "event ping is what the API sends on request and cannot "
                      "be posted");
        return ERR_INVALID;
    }
    if (kind_is_reserved(kind)) {
        buf_puts(why,
                 "events whose first segment is posthorn are the engine's own "
                 "and cannot be posted");
        return ERR_INVALID;
    }
    if (!akinon_is_event(kind)) {
        buf_printf(why,
                   "event %s is not one; it must be 1 to 5 parts of a-z 0-9 _ "
                   "- between dots, at most %d characters",
                   log_quote(kind), KIND_MAX_BYTES);
        return ERR_INVALID;
    }
    if (payload != NULL && !json_is(payload, JSON_OBJECT))
        return refuse(why, "data", payload, "an object");
    out->event.kind = arena_copy(arena, kind);
    return OK;
}

static enum err take_pulumi(struct str kind, const struct json_value *payload,
                            struct arena *arena, struct new_event *out,
                            struct buf *why)
{
    struct classified c;
    enum err err = classify_event(kind, payload, &c, why);

    if (err != OK)
        return err;
    out->event.filters = c.filters;
    out->event.kind = arena_copy(arena, kind);
    out->event.project = arena_copy(arena, c.project);
    out->event.stack = arena_copy(arena, c.stack);
    out->event.env = arena_copy(arena, c.env);
    return OK;
}

static enum err read_akinon(const struct json_value *root, struct arena *arena,
                            struct new_event *out, struct buf *why)
{
    const struct json_value *event = json_get(root, "event");

    if (!json_is(event, JSON_STRING)) {
        return refuse(why, "event", event,
                      "a string like \"deployment.build.created\"");
    }
    return take_akinon(json_str(event), json_get(root, "data"), arena, out,
                       why);
}

static enum err read_pulumi(const struct json_value *root, struct arena *arena,
                            struct new_event *out, struct buf *why)
{
    const struct json_value *kind = json_get(root, "kind");

    if (!json_is(kind, JSON_STRING))
        return refuse(why, "kind", kind, "a string like \"stack_update\"");
    return take_pulumi(json_str(kind), json_get(root, "payload"), arena, out,
                       why);
}

static void set_place(const struct event_parser *in, struct new_event *out)
{
    out->event.dialect = in->path.dialect;
    out->event.accepted_at_us = in->accepted_at_us;
    out->event.org = in->path.org;
    out->event.project = in->path.project;
}

static enum err read_root(const struct event_parser *in,
                          const struct json_value *root, struct arena *arena,
                          struct new_event *out, struct buf *why)
{
    bool is_akinon = in->path.dialect == DIALECT_AKINON;
    enum err err;

    if (!json_is(root, JSON_OBJECT)) {
        return refuse(why, "the event", root,
                      is_akinon ? "an object with \"event\" and \"data\""
                                : "an object with \"kind\" and \"payload\"");
    }
    set_place(in, out);
    err = is_akinon ? read_akinon(root, arena, out, why)
                    : read_pulumi(root, arena, out, why);
    return err == OK ? read_id(root, out, why) : err;
}

static enum err read_payload(const struct event_parser *in, struct str text,
                             struct arena *arena, struct new_event *out)
{
    enum err err;

    if (in->path.dialect == DIALECT_PULUMI)
        return compact(text, "payload", arena, &out->event.payload);
    err = compact(text, "data", arena, &out->event.payload);
    if (err == ERR_NOTFOUND) {
        out->event.payload = STR("{}");
        err = OK;
    }
    return err;
}

// --- CloudEvents ---

// `data` is NULL: it has none.
static enum err take_cloud(const struct event_parser *in,
                           const struct cloud_event *ce,
                           const struct json_value *data, struct arena *arena,
                           struct new_event *out, struct buf *why)
{
    static const char about[] =
        "of a CloudEvent, type is the kind and data the payload: ";
    size_t n_before = why->n_bytes;
    struct json *none = NULL;
    enum err err = OK;

    set_place(in, out);
    buf_puts(why, about);
    if (in->path.dialect == DIALECT_AKINON) {
        err = take_akinon(ce->type, data, arena, out, why);
    } else {
        if (data == NULL)
            err = json_parse(STR("null"), &json_no_limits, &none, NULL);
        if (err == OK) {
            err = take_pulumi(ce->type, data != NULL ? data : json_root(none),
                              arena, out, why);
        }
        json_free(none);
    }
    if (err != OK)
        return err;
    why->n_bytes = n_before;
    out->event.cloud = ce->attributes;
    out->idempotency = cloud_event_key(ce, arena);
    return OK;
}

static void set_no_payload(const struct event_parser *in, struct new_event *out)
{
    out->event.payload =
        in->path.dialect == DIALECT_AKINON ? STR("{}") : STR("null");
}

static enum err read_structured(const struct event_parser *in, struct str text,
                                struct arena *arena, struct new_event *out,
                                struct buf *why)
{
    struct cloud_event ce;
    struct json *json;
    enum err err = json_parse(text, &in->json, &json, why);

    if (err != OK)
        return err;
    err = cloud_event_read(json_root(json), arena, &ce, why);
    if (err == OK) {
        err = take_cloud(in, &ce, json_get(json_root(json), "data"), arena, out,
                         why);
    }
    json_free(json);
    if (err != OK)
        return err;
    err = compact(text, "data", arena, &out->event.payload);
    if (err == ERR_NOTFOUND) {
        set_no_payload(in, out);
        err = OK;
    }
    return err;
}

static enum err read_binary(const struct event_parser *in, struct str text,
                            struct arena *arena, struct new_event *out,
                            struct buf *why)
{
    struct json *json;
    enum err err;

    if (text.n_bytes == 0) {
        set_no_payload(in, out);
        return take_cloud(in, &in->cloud, NULL, arena, out, why);
    }
    err = json_parse(text, &in->json, &json, why);
    if (err != OK)
        return err;
    err = take_cloud(in, &in->cloud, json_root(json), arena, out, why);
    json_free(json);
    if (err == OK)
        err = compact(text, NULL, arena, &out->event.payload);
    return err;
}

// --- events ---

enum err event_parser_read(const struct event_parser *in, struct str text,
                           struct arena *arena, struct new_event *out,
                           struct buf *why)
{
    struct json *json;
    enum err err;

    *out = (struct new_event){ .idempotency = in->key };
    if (text.n_bytes > in->max_event_bytes) {
        buf_printf(why, "the event has %zu bytes; at most %zu are allowed",
                   text.n_bytes, in->max_event_bytes);
        return ERR_TOOBIG;
    }
    if (in->form == EVENT_CLOUD)
        return read_structured(in, text, arena, out, why);
    if (in->form == EVENT_CLOUD_BINARY)
        return read_binary(in, text, arena, out, why);
    err = json_parse(text, &in->json, &json, why);
    if (err != OK)
        return err;
    err = read_root(in, json_root(json), arena, out, why);
    json_free(json);
    if (err != OK)
        return err;
    return read_payload(in, text, arena, out);
}

// --- many ---

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.n_bytes; i++) {
        if (line.at[i] != ' ' && line.at[i] != '\t' && line.at[i] != '\r')
            return false;
    }
    return true;
}

// Stops at one line more than `max`.
static size_t count_lines(struct str text, size_t max)
{
    const char *end = text.at + text.n_bytes;
    const char *at = text.at;
    size_t n = 1;

    while (n <= max && at < end &&
           (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        n++;
    }
    return n;
}

// The idempotency key of a line: the key of the whole request and the line's number.
static struct str line_key(const struct event_parser *in, size_t line_no,
                           struct arena *arena)
{
    size_t room_bytes = in->key.n_bytes + 24;
    char *key;
    int n;

    if (in->key.n_bytes == 0)
        return STR_EMPTY;
    key = arena_take(arena, room_bytes);
    n = snprintf(key, room_bytes, "%.*s#%zu", STR_ARG(in->key), line_no);
    return (struct str){ key, (size_t)n };
}

static enum err read_line(const struct event_parser *in, struct str line,
                          size_t line_no, struct arena *arena,
                          struct new_event *out, struct buf *why)
{
    size_t n_before = why->n_bytes;
    enum err err;

    buf_puts(why,
             event_lines_noun(in->form)); // not buf_printf(): for each event
    buf_putc(why, ' ');
    buf_put_u64(why, line_no);
    buf_puts(why, ": ");
    err = event_parser_read(in, line, arena, out, why);
    if (err != OK)
        return err;
    why->n_bytes = n_before;
    if (in->form == EVENT_OF_API)
        out->idempotency = line_key(in, line_no, arena);
    return OK;
}

const char *event_lines_noun(enum event_form form)
{
    return form == EVENT_OF_API ? "line" : "event";
}

// How many events an array may have is found only by reading it.
static enum err begin_array(struct str text, struct arena *arena,
                            struct event_lines *out, struct buf *why)
{
    static const char shortest[] = "{\"specversion\":\"1.0\",\"id\":\"1\","
                                   "\"source\":\"s\",\"type\":\"t\"}";
    size_t most = text.n_bytes / (sizeof(shortest) - 1) + 1;

    while (text.n_bytes > 0 && (*text.at == ' ' || *text.at == '\t' ||
                                *text.at == '\n' || *text.at == '\r')) {
        text.at++;
        text.n_bytes--;
    }
    if (text.n_bytes == 0 || *text.at != '[') {
        buf_puts(why, "the batch must be an array of CloudEvents");
        return ERR_INVALID;
    }
    *out = (struct event_lines){ .rest = { text.at + 1, text.n_bytes - 1 } };
    if (most > EVENT_LINES_MAX)
        most = EVENT_LINES_MAX;
    out->events = arena_take(arena, most * sizeof(*out->events));
    return OK;
}

enum err event_lines_begin(enum event_form form, struct str text,
                           struct arena *arena, struct event_lines *out,
                           struct buf *why)
{
    size_t n_lines;

    if (form == EVENT_CLOUD)
        return begin_array(text, arena, out, why);
    n_lines = text.n_bytes > 0 ? count_lines(text, EVENT_LINES_MAX + 1) : 1;
    *out = (struct event_lines){ .rest = text };
    if (n_lines > EVENT_LINES_MAX + 1) {
        buf_printf(why, "the request has more than %d lines; send several",
                   EVENT_LINES_MAX);
        return ERR_INVALID;
    }
    out->events = arena_take(arena, n_lines * sizeof(*out->events));
    return OK;
}

// Takes the next line, without its line end.
static struct str take_line(struct event_lines *lines)
{
    struct str *rest = &lines->rest;
    const char *end = memchr(rest->at, '\n', rest->n_bytes);
    struct str line = *rest;

    if (end != NULL)
        line.n_bytes = (size_t)(end - rest->at);
    rest->at += line.n_bytes + (end != NULL);
    rest->n_bytes -= line.n_bytes + (end != NULL);
    lines->line_no++;
    return line;
}

// Takes the next element of an array of CloudEvents. ERR_NOTFOUND: there is none.
static enum err take_element(const struct event_parser *in,
                             struct event_lines *lines, struct str *out,
                             struct buf *why)
{
    enum err err = cloud_batch_next(&lines->rest, lines->line_no == 0,
                                    in->max_event_bytes, out);

    if (err == OK && lines->n == EVENT_LINES_MAX) {
        buf_printf(why, "the request has more than %d events; send several",
                   EVENT_LINES_MAX);
        return ERR_INVALID;
    }
    lines->line_no++;
    if (err == ERR_TOOBIG) {
        buf_printf(
            why, "event %zu: it is larger than the %zu bytes that are allowed",
            lines->line_no, in->max_event_bytes);
    } else if (err == ERR_INVALID) {
        buf_printf(why,
                   "event %zu: the batch must be a JSON array, with a comma "
                   "between two events and nothing after its end",
                   lines->line_no);
    }
    return err;
}

// Takes the next line that is not blank, or the next element. ERR_NOTFOUND: there is
// none.
static enum err take_next(const struct event_parser *in,
                          struct event_lines *lines, struct str *out,
                          struct buf *why)
{
    if (in->form == EVENT_CLOUD)
        return take_element(in, lines, out, why);
    while (lines->rest.n_bytes > 0) {
        *out = take_line(lines);
        if (!is_blank(*out))
            return OK;
    }
    return ERR_NOTFOUND;
}

enum err event_lines_read(const struct event_parser *in,
                          struct event_lines *lines, struct arena *arena,
                          int64_t until_us, struct buf *why)
{
    struct str text;
    enum err err;

    while ((err = take_next(in, lines, &text, why)) == OK) {
        err = read_line(in, text, lines->line_no, arena,
                        &lines->events[lines->n], why);
        if (err != OK)
            return err;
        lines->n++;
        if (lines->rest.n_bytes > 0 && clock_mono_us() >= until_us)
            return ERR_AGAIN;
    }
    if (err != ERR_NOTFOUND)
        return err;
    if (lines->n == 0) {
        buf_puts(why, in->form == EVENT_CLOUD
                          ? "the request holds no event; send an array of "
                            "CloudEvents"
                          : "the request holds no event; send one JSON object "
                            "per line");
        return ERR_INVALID;
    }
    return OK;
}
