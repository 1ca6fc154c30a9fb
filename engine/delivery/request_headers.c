// SPDX-License-Identifier: MIT
// request_headers.c — the HTTP request of an attempt: its headers.

#include "engine/delivery/request_headers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/encoding/id.h"
#include "common/model/formats/format_table.h"
#include "common/model/request_header.h"
#include "common/model/trace.h"
#include "engine/delivery/signature.h"
#include "engine/delivery/signers.h"

#define FIXED_HEADERS_MAX 11 // headers that are put before the custom ones

#define ORIGIN_HEADER "WebHook-Request-Origin"

static void put_header(struct buf *out, const char *name, struct str value)
{
    buf_puts(out, name);
    buf_puts(out, ": ");
    buf_put_str(out, value);
    buf_putc(out, '\0');
}

// Appends the signatures as v1: of the present secret, and of replaced ones whose time is
// not over. Standard Webhooks: any of the signatures may match.
static void put_v1(const struct hook *hook, const struct signed_parts *parts,
                   int64_t at_ms, struct buf *out)
{
    sign_standard(hook->secret, parts->id, parts->timestamp_s, parts->body,
                  out);
    for (size_t i = 0; i < hook->n_old; i++) {
        if (hook->old[i].kind != OLD_SECRET || at_ms >= hook->old[i].until_ms)
            continue;
        buf_putc(out, ' ');
        sign_standard(hook->old[i].secret, parts->id, parts->timestamp_s,
                      parts->body, out);
    }
}

static void put_signatures(const struct hook *hook, struct str id,
                           struct str body, struct request_of of,
                           struct buf *out)
{
    const struct signed_parts parts = { id, of.at_ms / 1000, body };
    size_t line, start;

    if (hook->secret.n_bytes > 0) {
        buf_puts(out, "Pulumi-Webhook-Signature: ");
        sign_pulumi(hook->secret, body, out);
        buf_putc(out, '\0');
    }
    put_header(out, "webhook-id", id);
    line = out->n_bytes;
    buf_puts(out, "webhook-signature: ");
    start = out->n_bytes;
    if (hook->secret.n_bytes > 0)
        put_v1(hook, &parts, of.at_ms, out);
    if (hook->signing != SIGNING_NONE && of.signers != NULL)
        signers_put(of.signers, hook, of.at_ms, &parts, start, out);
    if (out->n_bytes > start) {
        buf_putc(out, '\0');
    } else {
        out->n_bytes = line; // the organization's keys cannot be read
    }
    buf_puts(out, "webhook-timestamp: ");
    buf_put_i64(out, parts.timestamp_s);
    buf_putc(out, '\0');
}

static void put_pulumi(const struct hook *hook, const struct event *event,
                       struct str id, struct buf *out)
{
    // Pulumi's Deployments API has its own version in Accept.
    put_header(out, "Accept",
               hook->format == FORMAT_PULUMI_DEPLOYMENTS
                   ? STR("application/vnd.pulumi+8")
                   : STR("*/*"));
    put_header(out, "Content-Type",
               str_of(format_content_type((int)hook->format)));
    put_header(out, "Pulumi-Webhook-Id", id);
    put_header(out, "Pulumi-Webhook-Kind", event->kind);
}

static void put_akinon(const struct event *event, struct str id,
                       struct buf *out)
{
    put_header(out, "Accept", STR("*/*"));
    put_header(out, "Content-Type", STR("application/json"));
    put_header(out, "X-Webhook-Event", event->kind);
    put_header(out, "X-Webhook-Id", id);
}

// The parent is the span of this attempt, as the dispatcher exports it. An attempt without
// one hands on the producer's span: one that nobody exports would cut the trace.
static void put_trace(const struct hook *hook, const struct event *event,
                      struct request_of of, struct buf *out)
{
    uint8_t id[SPAN_ID_BYTES];
    struct trace trace;

    trace_of_event(event, of.sample_percent, &trace);
    trace_span_id(event, TRACE_ATTEMPT, hook->no, of.n, id);
    buf_puts(out, "traceparent: ");
    trace_put_parent(
        &trace, trace.has_parent && !of.has_span ? trace.parent_id : id, out);
    buf_putc(out, '\0');
    if (trace.state.n_bytes > 0)
        put_header(out, "tracestate", trace.state);
}

// --- custom headers ---

// Compares header names without regard to case, as HTTP does.
static int compare(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    size_t n_left = strcspn(*left, ":");
    size_t n_right = strcspn(*right, ":");
    int order = strncasecmp(*left, *right, n_left < n_right ? n_left : n_right);

    if (order != 0)
        return order;
    return n_left < n_right ? -1 : n_left > n_right;
}

// Sorts what was appended since `start`.
static void sort(struct buf *out, size_t start)
{
    const char *lines[HEADERS_MAX + FIXED_HEADERS_MAX] = { NULL };
    size_t n_bytes = out->n_bytes - start;
    char *copy = xmalloc(n_bytes);
    size_t n = 0;

    memcpy(copy, out->at + start, n_bytes);
    for (const char *at = copy; at < copy + n_bytes; at += strlen(at) + 1) {
        assert(n < sizeof(lines) / sizeof(lines[0]));
        lines[n++] = at;
    }
    qsort(lines, n, sizeof(lines[0]), compare);
    out->n_bytes = start;
    for (size_t i = 0; i < n; i++)
        buf_put(out, lines[i], strlen(lines[i]) + 1);
    free(copy);
}

// Custom headers were validated when the hook was made; they are checked again, since
// what is stored may be damaged.
static void put_custom(const struct hook *hook, struct buf *out)
{
    size_t n_put = 0;

    for (size_t i = 0; i + 1 < hook->n_headers && n_put < HEADERS_MAX; i += 2) {
        if (header_check(hook->headers[i], hook->headers[i + 1], NULL) != OK ||
            (hook->trace_context && header_is_trace(hook->headers[i])) ||
            (hook->handshake.is_wanted &&
             str_eq_any_case(hook->headers[i], STR(ORIGIN_HEADER))))
            continue;
        buf_put_str(out, hook->headers[i]);
        buf_puts(out, ": ");
        buf_put_str(out, hook->headers[i + 1]);
        buf_putc(out, '\0');
        n_put++;
    }
}

static void lower_names(struct buf *out, size_t start)
{
    bool is_name = true;

    for (char *at = out->at + start; at < out->at + out->n_bytes; at++) {
        if (is_name && *at >= 'A' && *at <= 'Z')
            *at = (char)(*at + ('a' - 'A'));
        if (*at == ':')
            is_name = false;
        if (*at == '\0')
            is_name = true;
    }
}

// Content-Type is exactly "application/json": a charset would break receivers behind a
// gateway that knows binary types by their exact name.
void request_headers(const struct hook *hook, const struct event *event,
                     struct str body, struct request_of of, struct buf *out)
{
    char id[ID_TEXT_BYTES + 1];
    size_t start = out->n_bytes;

    id_format(&event->id, id);
    if (event->dialect == DIALECT_AKINON) {
        put_akinon(event, str_of(id), out);
    } else {
        put_pulumi(hook, event, str_of(id), out);
    }
    if (hook->secret.n_bytes > 0 || hook->signing != SIGNING_NONE)
        put_signatures(hook, str_of(id), body, of, out);
    if (hook->trace_context)
        put_trace(hook, event, of, out);
    if (hook->handshake.is_wanted)
        put_header(out, ORIGIN_HEADER, of.origin);
    if (hook->n_headers > 0)
        put_custom(hook, out);
    if (hook->n_headers > 0 || hook->trace_context || hook->handshake.is_wanted)
        sort(out, start);
    if (hook->lower_headers)
        lower_names(out, start);
}

static bool is_secret(const struct hook *hook, struct str name)
{
    for (size_t i = 0; i + 1 < hook->n_headers; i += 2) {
        if (str_eq_any_case(hook->headers[i], name) &&
            (header_is_secret(name) ||
             (hook->secret_headers >> (i / 2) & 1) != 0))
            return true;
    }
    return false;
}

static struct str name_of(struct str line)
{
    return (struct str){ line.at, strcspn(line.at, ":") };
}

struct request_marks request_marks(const struct hook *hook, struct str headers)
{
    const char *end = headers.at + headers.n_bytes;
    struct request_marks marks = { .has_custom = hook->n_headers > 0 };
    uint64_t bit = 1;

    if (!marks.has_custom)
        return marks;
    for (const char *at = headers.at; at < end; at += strlen(at) + 1) {
        if (is_secret(hook, name_of(str_of(at))))
            marks.secret |= bit;
        bit <<= 1;
    }
    return marks;
}

void request_header_value(struct str line, bool is_secret_one, struct buf *out)
{
    size_t skip = name_of(line).n_bytes + 2;
    struct str value = { line.at + skip, line.n_bytes - skip };

    if (is_secret_one) {
        header_put_mask(value, out);
    } else {
        buf_put_str(out, value);
    }
}

void request_headers_text(struct str headers, struct request_marks marks,
                          struct buf *out)
{
    const char *end = headers.at + headers.n_bytes;

    for (const char *at = headers.at; at < end; at += strlen(at) + 1) {
        buf_put_str(out, name_of(str_of(at)));
        buf_puts(out, ": ");
        request_header_value(str_of(at), (marks.secret & 1) != 0, out);
        buf_puts(out, "\r\n");
        marks.secret >>= 1;
    }
}
