// SPDX-License-Identifier: MIT
// health_routes.c — health, readiness, metrics: for operators, without a token.

#include "api/system/handlers.h"

#include "api/core/api_request.h"
#include "common/files/engine_file.h"
#include "common/process/metrics.h"
#include "common/process/metrics_text.h"
#include "common/process/pulse.h"

void operations_healthz(struct api_request *rq)
{
    struct buf challenge;
    struct buf body;
    enum err err;

    buf_init(&challenge, 0);
    buf_init(&body, 0);
    err = http_query(rq->http, "challenge", &challenge);
    if (err == OK && challenge.n_bytes == 0)
        err = ERR_INVALID;
    if (err == OK || err == ERR_NOTFOUND)
        err = engine_put_health(buf_str(&challenge), &body);
    if (err == OK) {
        buf_putc(&body, '\n');
        request_answer(rq, 200, buf_str(&body));
    } else {
        http_fail(rq->http, 400, STR_EMPTY,
                  "challenge must be %d to %d letters and digits",
                  ENGINE_CHALLENGE_MIN, ENGINE_CHALLENGE_MAX);
    }
    buf_clear(&body);
    buf_clear(&challenge);
}

// Puts the names of the roles that do not work into `names`, and each with its reason
// into `reasons`. Returns their number; `are_starting` says whether all of them only
// start.
static size_t find_missing(struct json_writer *names,
                           struct json_writer *reasons, bool *are_starting)
{
    struct buf why;
    size_t n = 0;

    buf_init(&why, 0);
    *are_starting = true;
    for (size_t i = 0; i < metrics_slots(); i++) {
        buf_reset(&why);
        if (pulse_state_of(i) == PULSE_NONE || pulse_works(i, &why))
            continue;
        n++;
        if (pulse_state_of(i) != PULSE_STARTING)
            *are_starting = false;
        json_put_text(names, NULL, metrics_slot_name(i));
        json_put_str(reasons, metrics_slot_name(i), buf_str(&why));
    }
    buf_clear(&why);
    return n;
}

static void answer_missing(struct api_request *rq, const char *status,
                           struct str names, struct str reasons)
{
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_put_text(&w, "status", status);
    if (names.n_bytes > 0) {
        json_put_raw(&w, "waitingFor", names);
        json_put_raw(&w, "reasons", reasons);
    }
    json_close(&w);
    buf_putc(&body, '\n');
    request_answer(rq, names.n_bytes > 0 ? 503 : 200, buf_str(&body));
    buf_clear(&body);
}

void operations_readyz(struct api_request *rq)
{
    struct buf names, reasons;
    struct json_writer names_json = json_writer(&names);
    struct json_writer reasons_json = json_writer(&reasons);
    bool are_starting;
    size_t n;

    buf_init(&names, 0);
    buf_init(&reasons, 0);
    json_open_array(&names_json, NULL);
    json_open_object(&reasons_json, NULL);
    n = find_missing(&names_json, &reasons_json, &are_starting);
    json_close(&names_json);
    json_close(&reasons_json);
    if (n == 0) {
        answer_missing(rq, "ready", STR_EMPTY, STR_EMPTY);
    } else {
        answer_missing(rq, are_starting ? "starting" : "not ready",
                       buf_str(&names), buf_str(&reasons));
    }
    buf_clear(&reasons);
    buf_clear(&names);
}

void operations_metrics(struct api_request *rq)
{
    struct http_response response = { .status = 200,
                                      .content_type =
                                          STR("text/plain; version=0.0.4") };
    struct buf body;

    buf_init(&body, 0);
    metrics_render(&body, pulse_works);
    response.body = buf_str(&body);
    response.is_vital = true;
    http_respond(rq->http, &response);
    buf_clear(&body);
}
