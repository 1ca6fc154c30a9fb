// SPDX-License-Identifier: MIT
// delivery_json.c — an attempt as JSON.

#include "api/json/delivery_json.h"

#include <inttypes.h>

#define US_PER_MS 1000
#define US_PER_S  1000000

const char *delivery_state_name(enum delivery_state state)
{
    switch (state) {
    case DELIVERY_DELIVERED:
        return "delivered";
    case DELIVERY_RETRYING:
        return "retrying";
    case DELIVERY_DEAD:
        return "dead";
    case DELIVERY_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

static void put_text(struct buf *out, const char *key, struct str text)
{
    buf_printf(out, ",\"%s\":", key);
    buf_put_json(out, text);
}

static void put_head(const struct attempt *a, struct str members,
                     struct buf *out)
{
    char id[ID_TEXT_BYTES + 1];

    id_format(&a->event_id, id);
    buf_putc(out, '{');
    buf_put_str(out, members);
    buf_printf(out, "\"id\":\"%s\"", id);
    put_text(out, "kind", a->kind);
}

static void put_when(const struct attempt *a, struct buf *out)
{
    buf_printf(out, ",\"timestamp\":%" PRId64 ",\"duration\":%" PRId64,
               a->started_at_us / US_PER_S, a->timing.total_us / US_PER_MS);
    put_text(out, "requestUrl", a->request_url);
}

// Appends the ten fields of Pulumi's WebhookDelivery.
static void put_record(const struct attempt *a, struct str payload,
                       struct str members, struct buf *out)
{
    put_head(a, members, out);
    put_text(out, "payload", payload);
    put_when(a, out);
    put_text(out, "requestHeaders", a->request_headers);
    buf_printf(out, ",\"responseCode\":%u", (unsigned)a->response_code);
    put_text(out, "responseHeaders", a->response_headers);
    put_text(out, "responseBody", a->response_body);
}

static void put_error(const struct attempt *a, struct buf *out)
{
    if (attempt_is_end(a))
        put_text(out, "reason", a->error_message);
    if (a->error == ERROR_NONE) {
        buf_puts(out, ",\"error\":null");
        return;
    }
    buf_printf(out, ",\"error\":{\"class\":\"%s\"", error_name(a->error));
    put_text(out, "message", a->error_message);
    buf_putc(out, '}');
}

static void put_timing(const struct timing *t, struct buf *out)
{
    buf_printf(out,
               ",\"timing\":{\"queueUs\":%" PRId64 ",\"dnsUs\":%" PRId64
               ",\"connectUs\":%" PRId64 ",\"tlsUs\":%" PRId64,
               t->queue_us, t->dns_us, t->connect_us, t->tls_us);
    buf_printf(out,
               ",\"firstByteUs\":%" PRId64 ",\"totalUs\":%" PRId64
               ",\"reusedConnection\":%s}",
               t->first_byte_us, t->total_us,
               t->reused_connection ? "true" : "false");
}

static void put_rest(const struct attempt *a, struct buf *out)
{
    buf_printf(out, ",\"attempt\":%" PRIu32 ",\"state\":\"%s\"", a->attempt,
               delivery_state_name(a->state));
    if (a->next_attempt_at_ms == 0) {
        buf_puts(out, ",\"nextAttemptAt\":null");
    } else {
        buf_printf(out, ",\"nextAttemptAt\":%" PRId64, a->next_attempt_at_ms);
    }
    put_error(a, out);
    buf_printf(out, ",\"acceptedAt\":%" PRId64, a->accepted_at_us / US_PER_MS);
    put_timing(&a->timing, out);
    buf_printf(out, ",\"responseTruncated\":%s}",
               a->truncated ? "true" : "false");
}

void delivery_print_brief(const struct attempt *attempt, struct str members,
                          struct buf *out)
{
    const struct attempt *a = attempt;

    put_head(a, members, out);
    put_when(a, out);
    buf_printf(out, ",\"responseCode\":%u", (unsigned)a->response_code);
    put_rest(a, out);
}

void delivery_print(const struct attempt *attempt, struct str payload,
                    struct str members, struct buf *out)
{
    put_record(attempt, payload, members, out);
    put_rest(attempt, out);
}
