// SPDX-License-Identifier: MIT
// request_header.c — request headers that a hook may add.

#include "common/model/request_header.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "common/log/log.h"

#define NAME_MAX_BYTES 128

// Names that end with a dash stand for all headers with that prefix.
static const char *const refused[] = {
    "host",         "content-length",    "content-type",    "content-encoding",
    "te",           "transfer-encoding", "trailer",         "connection",
    "keep-alive",   "upgrade",           "expect",          "proxy-",
    "cookie2",      "http2-settings",    "pulumi-webhook-", "webhook-",
    "x-webhook-id", "x-webhook-event",   "accept",
};

static bool is_token(struct str name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < name.n_bytes; i++) {
        char c = name.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return name.n_bytes > 0 && name.n_bytes <= NAME_MAX_BYTES;
}

static bool is_refused(struct str name)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        size_t n_bytes = strlen(refused[i]);
        bool is_prefix = refused[i][n_bytes - 1] == '-';

        if (name.n_bytes >= n_bytes &&
            strncasecmp(name.at, refused[i], n_bytes) == 0 &&
            (is_prefix || name.n_bytes == n_bytes))
            return true;
    }
    return false;
}

// A blank at either end, or an empty value, would have a special meaning for
// libcurl.
static bool is_value(struct str value)
{
    for (size_t i = 0; i < value.n_bytes; i++) {
        unsigned char c = (unsigned char)value.at[i];

        if ((c < ' ' && c != '\t') || c >= 0x7f)
            return false;
    }
    return value.n_bytes > 0 && value.n_bytes <= HEADER_VALUE_MAX_BYTES &&
           value.at[0] > ' ' && value.at[value.n_bytes - 1] > ' ';
}

enum err header_check(struct str name, struct str value, struct buf *why)
{
    const char *reason = NULL;

    if (!is_token(name)) {
        reason = "a name is 1 to 128 letters, digits and !#$%&'*+-.^_`|~";
    } else if (is_refused(name)) {
        reason = "this one is set by the engine or frames the request";
    } else if (!is_value(value)) {
        reason = "a value is 1 to 4096 visible ASCII characters, blanks and "
                 "tabs, the last two not at its ends";
    }
    if (reason == NULL)
        return OK;
    if (why != NULL)
        buf_printf(why, "headers: %s: %s", log_quote(name), reason);
    return ERR_INVALID;
}

bool header_is_trace(struct str name)
{
    return str_eq_any_case(name, STR("traceparent")) ||
           str_eq_any_case(name, STR("tracestate"));
}

// --- values that are not shown ---

static bool holds(struct str name, const char *word)
{
    size_t n_bytes = strlen(word);

    for (size_t i = 0; i + n_bytes <= name.n_bytes; i++) {
        if (strncasecmp(name.at + i, word, n_bytes) == 0)
            return true;
    }
    return false;
}

bool header_is_secret(struct str name)
{
    // "auth" is in Authorization, too.
    static const char *const words[] = { "cookie", "token",    "secret",
                                         "auth",   "password", "api-key",
                                         "apikey", "api_key",  "api.key" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (holds(name, words[i]))
            return true;
    }
    return false;
}

#define MASKED_MIN_BYTES 16 // longer values show their first characters
#define SHOWN_BYTES      4  // characters are ASCII

void header_put_mask(struct str value, struct buf *out)
{
    if (value.n_bytes >= MASKED_MIN_BYTES)
        buf_put(out, value.at, SHOWN_BYTES);
    buf_puts(out, HEADER_MASK);
}

bool header_is_mask(struct str value)
{
    static const char mask[] = HEADER_MASK;
    size_t n_bytes = sizeof(mask) - 1;

    return (value.n_bytes == n_bytes ||
            value.n_bytes == SHOWN_BYTES + n_bytes) &&
           memcmp(value.at + value.n_bytes - n_bytes, mask, n_bytes) == 0;
}
