// operations.c — health, readiness, metrics: for operators, without a token.

#include "api/operations.h"

#include "api/server.h"
#include "common/metrics.h"

void operations_healthz(struct call *c)
{
    call_answer(c, 200, STR("{\"status\":\"ok\"}"));
}

// Names the processes of a kind that do not work, as they name themselves in
// the metrics. One that was killed is missed until it starts again: nobody has
// cleared its gauge.
static void put_waiting(struct buf *out, enum role_kind kind, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct buf name;

        buf_init(&name, 0);
        buf_puts(&name, role_name(kind));
        if (kind != ROLE_INGEST)
            buf_printf(&name, ".%llu", (unsigned long long)i);
        if (metrics_sum_gauge(GAUGE_READY, buf_cstr(&name)) == 0) {
            if (out->at[out->n_bytes - 1] != '[')
                buf_putc(out, ',');
            buf_put_json(out, buf_str(&name));
        }
        buf_clear(&name);
    }
}

void operations_readyz(struct call *c)
{
    const struct config *config = c->api->config;
    struct buf body;

    if (role_all_ready(c->api->role)) {
        call_answer(c, 200, STR("{\"status\":\"ready\"}"));
        return;
    }
    buf_init(&body, 0);
    buf_puts(&body, "{\"status\":\"starting\",\"waitingFor\":[");
    put_waiting(&body, ROLE_INGEST, 1);
    put_waiting(&body, ROLE_DISPATCHER, config->dispatchers);
    put_waiting(&body, ROLE_SENDER, config->senders);
    buf_puts(&body, "]}");
    call_answer(c, 503, buf_str(&body));
    buf_clear(&body);
}

void operations_metrics(struct call *c)
{
    struct http_response response = { .status = 200,
                                      .content_type =
                                          STR("text/plain; version=0.0.4") };
    struct buf body;

    buf_init(&body, 0);
    metrics_render(&body);
    response.body = buf_str(&body);
    http_respond(c->request, &response);
    buf_clear(&body);
}
