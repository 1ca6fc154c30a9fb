// SPDX-License-Identifier: MIT
// span.c — spans of a trace, which ingest and dispatchers send to the exporter.

#include "common/messages/span.h"

#include <inttypes.h>

#include "common/base/codec.h"
#include "common/config/config.h"
#include "common/encoding/crypto.h"
#include "common/process/channel.h"
#include "common/process/metrics.h"
#include "common/process/role.h"

#define UNSENT_MAX_BYTES ((size_t)1024 * 1024)

bool spans_are_wanted(const struct config *config)
{
    return config->otlp_traces[0] != '\0';
}

static void put_id(struct json_writer *w, const char *key, const uint8_t *id,
                   size_t n_bytes)
{
    crypto_put_hex(json_open_text(w, key), id, n_bytes);
    json_close_text(w);
}

static void put_time(struct json_writer *w, const char *key, int64_t at_us)
{
    buf_printf(json_open_text(w, key), "%" PRIu64 "000",
               (uint64_t)(at_us > 0 ? at_us : 0));
    json_close_text(w);
}

void span_begin(struct json_writer *w, const struct span *span)
{
    json_open_object(w, NULL);
    put_id(w, "traceId", span->trace->trace_id, TRACE_ID_BYTES);
    put_id(w, "spanId", span->id, SPAN_ID_BYTES);
    json_put_given(w, "traceState", span->trace->state);
    if (span->parent_id != NULL)
        put_id(w, "parentSpanId", span->parent_id, SPAN_ID_BYTES);
    json_put_text(w, "name", span->name);
    json_put_u64(w, "kind", span->kind);
    put_time(w, "startTimeUnixNano", span->start_us);
    put_time(w, "endTimeUnixNano",
             span->end_us > span->start_us ? span->end_us : span->start_us);
    json_open_array(w, "attributes");
}

static void open_attribute(struct json_writer *w, const char *key)
{
    json_open_object(w, NULL);
    json_put_text(w, "key", key);
    json_open_object(w, "value");
}

static void close_attribute(struct json_writer *w)
{
    json_close(w);
    json_close(w);
}

void span_put_str(struct json_writer *w, const char *key, struct str value)
{
    open_attribute(w, key);
    json_put_str(w, "stringValue", value);
    close_attribute(w);
}

void span_put_text(struct json_writer *w, const char *key, const char *value)
{
    span_put_str(w, key, str_of(value));
}

void span_put_int(struct json_writer *w, const char *key, int64_t value)
{
    open_attribute(w, key);
    buf_printf(json_open_text(w, "intValue"), "%" PRId64, value);
    json_close_text(w);
    close_attribute(w);
}

void span_put_bool(struct json_writer *w, const char *key, bool is_true)
{
    open_attribute(w, key);
    json_put_bool(w, "boolValue", is_true);
    close_attribute(w);
}

void span_begin_events(struct json_writer *w)
{
    json_close(w);
    json_open_array(w, "events");
}

void span_put_event(struct json_writer *w, const char *name, int64_t at_us)
{
    json_open_object(w, NULL);
    put_time(w, "timeUnixNano", at_us);
    json_put_text(w, "name", name);
    json_close(w);
}

void span_end(struct json_writer *w, const char *error)
{
    json_close(w);
    if (error != NULL) {
        json_open_object(w, "status");
        json_put_u64(w, "code", 2); // STATUS_CODE_ERROR
        json_put_text(w, "message", error);
        json_close(w);
    }
    json_close(w);
}

bool span_has_room(struct channel *exporter)
{
    if (exporter != NULL && channel_unsent_bytes(exporter) <= UNSENT_MAX_BYTES)
        return true;
    metrics_count(COUNTER_SPANS_FULL, 1);
    return false;
}

void span_send(struct channel *exporter, struct str json)
{
    struct buf *frame;

    if (!span_has_room(exporter))
        return;
    if (json.n_bytes > SPAN_MAX_BYTES) {
        metrics_count(COUNTER_SPANS_FULL, 1);
        return;
    }
    frame = channel_begin(exporter);
    pack_u64(frame, FRAME_SPAN);
    pack_str(frame, json);
    channel_end_small(exporter);
}

enum err span_unpack(struct str frame, struct str *json)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_SPAN)
        return ERR_CORRUPT;
    *json = unpack_str(&u);
    return unpack_done(&u);
}
