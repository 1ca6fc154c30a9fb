// SPDX-License-Identifier: MIT
// health_routes.c — health, readiness, metrics: for operators, without a token.

#include "api/system/handlers.h"

#include "api/core/api_request.h"
#include "common/files/engine_file.h"
#include "common/process/metrics.h"
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

struct missing {
    struct buf names;   // of roles that do not work: JSON, comma-separated
    struct buf reasons; // roles that do not work, each with its reason
    bool are_starting;  // all of them are only starting
};

static void find_missing(struct missing *out)
{
    struct buf why;

    buf_init(&why, 0);
    out->are_starting = true;
    for (size_t i = 0; i < metrics_slots(); i++) {
        const char *comma = out->names.n_bytes > 0 ? "," : "";
        struct str name = str_of(metrics_slot_name(i));

        buf_reset(&why);
        if (pulse_state_of(i) == PULSE_NONE || pulse_works(i, &why))
            continue;
        if (pulse_state_of(i) != PULSE_STARTING)
            out->are_starting = false;
        buf_puts(&out->names, comma);
        buf_put_json(&out->names, name);
        buf_puts(&out->reasons, comma);
        buf_put_json(&out->reasons, name);
        buf_putc(&out->reasons, ':');
        buf_put_json(&out->reasons, buf_str(&why));
    }
    buf_clear(&why);
}

void operations_readyz(struct api_request *rq)
{
    struct missing missing;
    struct buf body;

    buf_init(&missing.names, 0);
    buf_init(&missing.reasons, 0);
    buf_init(&body, 0);
    find_missing(&missing);
    if (missing.names.n_bytes == 0) {
        request_answer(rq, 200, STR("{\"status\":\"ready\"}\n"));
    } else {
        buf_printf(&body,
                   "{\"status\":\"%s\",\"waitingFor\":[%.*s],"
                   "\"reasons\":{%.*s}}\n",
                   missing.are_starting ? "starting" : "not ready",
                   STR_ARG(buf_str(&missing.names)),
                   STR_ARG(buf_str(&missing.reasons)));
        request_answer(rq, 503, buf_str(&body));
    }
    buf_clear(&body);
    buf_clear(&missing.reasons);
    buf_clear(&missing.names);
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
