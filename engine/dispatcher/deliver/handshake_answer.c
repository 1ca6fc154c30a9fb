// SPDX-License-Identifier: MIT
// handshake_answer.c — what a receiver's answer to the handshake means.

#include "engine/dispatcher/deliver/handshake_answer.h"

#include <string.h>

#include "common/log/log.h"

#define SHOWN_MAX_BYTES 200 // of what a receiver wrote

// The value of the first header of this name in lines "Name: value\r\n". False: there is
// none.
static bool find(struct str headers, struct str name, struct str *out)
{
    while (headers.n_bytes > 0) {
        const char *end = memchr(headers.at, '\n', headers.n_bytes);
        size_t n =
            end != NULL ? (size_t)(end + 1 - headers.at) : headers.n_bytes;
        struct str line = { headers.at, n };
        struct str start = { line.at, name.n_bytes };

        if (n > name.n_bytes && str_eq_any_case(start, name) &&
            line.at[name.n_bytes] == ':') {
            line.at += name.n_bytes + 1;
            line.n_bytes -= name.n_bytes + 1;
            *out = str_trim(line, STR_SPACES);
            return true;
        }
        headers.at += n;
        headers.n_bytes -= n;
    }
    return false;
}

static const char *shown(struct str value)
{
    if (value.n_bytes > SHOWN_MAX_BYTES)
        value.n_bytes = SHOWN_MAX_BYTES;
    return log_quote(value);
}

// Reads a number of at least 1, of any length. A rate beyond what a hook may have is no
// limit.
static bool read_rate(struct str text, uint32_t *out)
{
    uint64_t n = 0;

    for (size_t i = 0; i < text.n_bytes; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        if (n <= UINT32_MAX)
            n = n * 10 + (uint64_t)(text.at[i] - '0');
    }
    *out = n <= UINT32_MAX ? (uint32_t)n : 0;
    return n > 0;
}

enum handshake_answer handshake_judge(const struct outcome *o,
                                      struct str origin,
                                      uint32_t *rate_per_minute,
                                      struct buf *reason)
{
    struct str value;

    *rate_per_minute = 0;
    if (o->error != ERROR_NONE) {
        buf_printf(reason, "%s: %.*s", error_name(o->error),
                   STR_ARG(o->error_message));
        return HANDSHAKE_FAILED;
    }
    if (o->response_code < 200 || o->response_code > 299) {
        buf_printf(reason, "the receiver answered with status %u",
                   o->response_code);
        return HANDSHAKE_REFUSED;
    }
    if (!find(o->response_headers, STR("WebHook-Allowed-Origin"), &value)) {
        buf_puts(reason, "the answer has no WebHook-Allowed-Origin");
        return HANDSHAKE_REFUSED;
    }
    if (!str_is(value, "*") && !str_eq_any_case(value, origin)) {
        buf_printf(reason, "WebHook-Allowed-Origin is %s, not %.*s",
                   shown(value), STR_ARG(origin));
        return HANDSHAKE_REFUSED;
    }
    if (find(o->response_headers, STR("WebHook-Allowed-Rate"), &value) &&
        !str_is(value, "*") && !read_rate(value, rate_per_minute)) {
        buf_printf(reason, "WebHook-Allowed-Rate is %s, not a rate",
                   shown(value));
        return HANDSHAKE_REFUSED;
    }
    return HANDSHAKE_ALLOWED;
}

void handshake_put_headers(struct str origin, uint64_t rate_per_minute,
                           bool is_lower, struct buf *out)
{
    // The sender writes its own names in lower case if this one is.
    buf_puts(out, is_lower ? "accept: */*" : "Accept: */*");
    buf_putc(out, '\0');
    buf_puts(out, is_lower ? "webhook-request-origin: "
                           : "WebHook-Request-Origin: ");
    buf_put_str(out, origin);
    buf_putc(out, '\0');
    if (rate_per_minute == 0)
        return;
    buf_puts(out,
             is_lower ? "webhook-request-rate: " : "WebHook-Request-Rate: ");
    buf_put_u64(out, rate_per_minute);
    buf_putc(out, '\0');
}
