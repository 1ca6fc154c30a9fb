// SPDX-License-Identifier: MIT
// delivery_json.c — an attempt as JSON.

#include "api/json/delivery_json.h"

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

static void put_head(const struct attempt *a, struct json_writer *w)
{
    char id[ID_TEXT_BYTES + 1];

    id_format(&a->event_id, id);
    json_put_text(w, "id", id);
    json_put_str(w, "kind", a->kind);
}

static void put_when(const struct attempt *a, struct json_writer *w)
{
    json_put_i64(w, "timestamp", a->started_at_us / US_PER_S);
    json_put_i64(w, "duration", a->timing.total_us / US_PER_MS);
    json_put_str(w, "requestUrl", a->request_url);
}

static void put_error(const struct attempt *a, struct json_writer *w)
{
    if (attempt_is_end(a))
        json_put_str(w, "reason", a->error_message);
    if (a->error == ERROR_NONE) {
        json_put_null(w, "error");
        return;
    }
    json_open_object(w, "error");
    json_put_text(w, "class", error_name(a->error));
    json_put_str(w, "message", a->error_message);
    json_close(w);
}

static void put_timing(const struct timing *t, struct json_writer *w)
{
    json_open_object(w, "timing");
    json_put_i64(w, "queueUs", t->queue_us);
    json_put_i64(w, "dnsUs", t->dns_us);
    json_put_i64(w, "connectUs", t->connect_us);
    json_put_i64(w, "tlsUs", t->tls_us);
    json_put_i64(w, "firstByteUs", t->first_byte_us);
    json_put_i64(w, "totalUs", t->total_us);
    json_put_bool(w, "reusedConnection", t->reused_connection);
    json_close(w);
}

static void put_rest(const struct attempt *a, struct json_writer *w)
{
    json_put_u64(w, "attempt", a->attempt);
    json_put_text(w, "state", delivery_state_name(a->state));
    if (a->next_attempt_at_ms == 0) {
        json_put_null(w, "nextAttemptAt");
    } else {
        json_put_i64(w, "nextAttemptAt", a->next_attempt_at_ms);
    }
    put_error(a, w);
    json_put_i64(w, "acceptedAt", a->accepted_at_us / US_PER_MS);
    put_timing(&a->timing, w);
    json_put_bool(w, "responseTruncated", a->truncated);
}

void delivery_print_brief(const struct attempt *attempt, struct json_writer *w)
{
    put_head(attempt, w);
    put_when(attempt, w);
    json_put_u64(w, "responseCode", attempt->response_code);
    put_rest(attempt, w);
}

void delivery_print(const struct attempt *attempt, struct str payload,
                    bool is_erased, struct json_writer *w)
{
    put_head(attempt, w);
    json_put_str(w, "payload", payload);
    put_when(attempt, w);
    json_put_str(w, "requestHeaders", attempt->request_headers);
    json_put_u64(w, "responseCode", attempt->response_code);
    json_put_str(w, "responseHeaders", attempt->response_headers);
    json_put_str(w, "responseBody", attempt->response_body);
    if (attempt->is_locked)
        json_put_bool(w, "payloadLocked", true);
    if (is_erased)
        json_put_bool(w, "payloadErased", true);
    put_rest(attempt, w);
}
