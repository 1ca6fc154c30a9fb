// request.c — the HTTP request of an attempt: its headers.

#include "engine/request.h"

#include <string.h>

#include "common/id.h"
#include "engine/sign.h"

static void put_header(struct buf *out, const char *name, struct str value)
{
    buf_puts(out, name);
    buf_puts(out, ": ");
    buf_put_str(out, value);
    buf_putc(out, '\0');
}

static void put_signatures(const struct hook *hook, struct str id,
                           struct str body, int64_t at_ms, struct buf *out)
{
    int64_t timestamp_s = at_ms / 1000;

    buf_puts(out, "Pulumi-Webhook-Signature: ");
    sign_pulumi(hook->secret, body, out);
    buf_putc(out, '\0');
    put_header(out, "webhook-id", id);
    buf_puts(out, "webhook-signature: ");
    sign_standard(hook->secret, id, timestamp_s, body, out);
    buf_putc(out, '\0');
    buf_puts(out, "webhook-timestamp: ");
    buf_put_i64(out, timestamp_s);
    buf_putc(out, '\0');
}

// Content-Type is exactly this: with a charset, receivers behind a gateway
// that knows binary types by their exact name break.
void request_headers(const struct hook *hook, const struct event *event,
                     struct str body, int64_t at_ms, struct buf *out)
{
    char id[ID_TEXT_BYTES + 1];

    id_format(&event->id, id);
    // The deployments of Pulumi's API have a version of their own.
    put_header(out, "Accept",
               hook->format == FORMAT_PULUMI_DEPLOYMENTS
                   ? STR("application/vnd.pulumi+8")
                   : STR("*/*"));
    put_header(out, "Content-Type", STR("application/json"));
    put_header(out, "Pulumi-Webhook-Id", str_of(id));
    put_header(out, "Pulumi-Webhook-Kind", event->kind);
    if (hook->secret.n_bytes > 0)
        put_signatures(hook, str_of(id), body, at_ms, out);
}

void request_headers_text(struct str headers, struct buf *out)
{
    const char *end = headers.at + headers.n_bytes;

    for (const char *at = headers.at; at < end; at += strlen(at) + 1) {
        buf_puts(out, at);
        buf_puts(out, "\r\n");
    }
}
