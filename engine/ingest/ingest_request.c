// SPDX-License-Identifier: MIT
// ingest_request.c — what the head of a request that posts events must have.

#include "engine/ingest/ingest_request.h"

#include "common/files/engine_file.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "engine/ingest/event_parser.h"

static bool read_form(const struct http_request *r, enum event_form *form,
                      bool *is_batch)
{
    static const struct {
        const char *type;
        enum event_form form;
        bool is_batch;
    } types[] = {
        { "application/json", EVENT_OF_API, false },
        { "application/x-ndjson", EVENT_OF_API, true },
        { "application/cloudevents+json", EVENT_CLOUD, false },
        { "application/cloudevents-batch+json", EVENT_CLOUD, true },
    };
    bool is_binary = cloud_event_is_in_headers(r);

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (!http_is_type(r, types[i].type) ||
            (is_binary && types[i].form == EVENT_OF_API))
            continue;
        *form = types[i].form;
        *is_batch = types[i].is_batch;
        return true;
    }
    // Of which type its data is, its parser judges.
    *form = EVENT_CLOUD_BINARY;
    *is_batch = false;
    return is_binary;
}

bool ingest_check_type(struct http_request *r, enum event_form *form,
                       bool *is_batch)
{
    if (!read_form(r, form, is_batch)) {
        metrics_count(COUNTER_REFUSED_INVALID, 1);
        http_fail(r, 415, STR_EMPTY,
                  "Content-Type is %s; it must be application/json, "
                  "application/x-ndjson, application/cloudevents+json or "
                  "application/cloudevents-batch+json",
                  log_quote(http_header(r, "content-type")));
        return false;
    }
    if (http_has_header(r, "content-encoding")) {
        metrics_count(COUNTER_REFUSED_INVALID, 1);
        http_fail(r, 415, STR_EMPTY,
                  "Content-Encoding is not supported; send the body as it is");
        return false;
    }
    return true;
}

bool ingest_check_key(struct http_request *r, enum event_form form)
{
    struct str key = http_header(r, "idempotency-key");
    bool is_good = key.n_bytes <= EVENT_KEY_MAX_BYTES;

    if (!http_has_header(r, "idempotency-key"))
        return true;
    if (form != EVENT_OF_API) {
        metrics_count(COUNTER_REFUSED_INVALID, 1);
        http_fail(r, 400, STR_EMPTY,
                  "Idempotency-Key cannot be given with a CloudEvent, whose "
                  "source and id are its key");
        return false;
    }
    for (size_t i = 0; i < key.n_bytes; i++)
        is_good = is_good && key.at[i] > 0x20 && key.at[i] < 0x7f;
    if (is_good && key.n_bytes > 0)
        return true;
    metrics_count(COUNTER_REFUSED_INVALID, 1);
    http_fail(r, 400, STR_EMPTY,
              "Idempotency-Key must be 1 to %d visible ASCII characters",
              EVENT_KEY_MAX_BYTES);
    return false;
}

enum err ingest_read_one(const struct http_request *r,
                         struct event_parser *parser, struct arena *arena,
                         struct new_event *out, struct buf *why)
{
    enum err err = OK;

    if (parser->form == EVENT_CLOUD_BINARY)
        err = cloud_event_read_headers(r, arena, &parser->cloud, why);
    return err == OK ? event_parser_read(parser, r->body, arena, out, why)
                     : err;
}

unsigned ingest_refusal(enum err err)
{
    metrics_count(err == ERR_TOOBIG ? COUNTER_REFUSED_TOO_LARGE
                                    : COUNTER_REFUSED_INVALID,
                  1);
    if (err == ERR_TOOBIG)
        return 413;
    return err == ERR_DENIED ? 415 : 400;
}

bool ingest_check_method(struct http_request *r)
{
    if (r->method == METHOD_POST)
        return true;
    if (r->method == METHOD_OPTIONS) {
        struct http_response options = { .status = 204,
                                         .headers =
                                             STR("Allow: POST, OPTIONS\r\n") };

        http_respond(r, &options);
    } else {
        http_fail(r, 405, STR("Allow: POST, OPTIONS\r\n"),
                  "events are posted with POST");
    }
    return false;
}

bool ingest_answer_health(struct http_request *r)
{
    struct http_response resp = { .status = 200, .is_vital = true };
    struct buf challenge;
    struct buf body;
    enum err err;

    if (!str_eq(r->path, STR("/healthz")) ||
        (r->method != METHOD_GET && r->method != METHOD_HEAD))
        return false;
    buf_init(&challenge, 0);
    buf_init(&body, 0);
    err = http_query(r, "challenge", &challenge);
    if (err == OK && challenge.n_bytes == 0)
        err = ERR_INVALID;
    if (err == OK || err == ERR_NOTFOUND)
        err = engine_put_health(buf_str(&challenge), &body);
    resp.body = buf_str(&body);
    if (err == OK) {
        http_respond(r, &resp);
    } else {
        http_fail(r, 400, STR_EMPTY,
                  "challenge must be %d to %d letters and digits",
                  ENGINE_CHALLENGE_MIN, ENGINE_CHALLENGE_MAX);
    }
    buf_clear(&body);
    buf_clear(&challenge);
    return true;
}
