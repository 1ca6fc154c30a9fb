// SPDX-License-Identifier: MIT
// request.c — headers, decoding, names.

#include <string.h>
#include <strings.h>

#include "common/base/text.h"
#include "common/http/private.h"

const struct http_limits http_default_limits = {
    .max_body_bytes = (size_t)256 * 1024,
    .max_buffered_bytes = (size_t)64 * 1024 * 1024,
    .max_account_bytes = (size_t)16 * 1024 * 1024,
    .reserve_bytes = (size_t)8 * 1024 * 1024,
    .max_connections = 4096,
    .max_per_address = 1024,
    .max_handshakes_per_s = 100,
    .max_requests = 100000,
    .header_timeout_ms = 5000,
    .body_timeout_ms = 15000,
    .idle_timeout_ms = 15000,
};

static const struct header_span *find(const struct conn *c, const char *name)
{
    size_t n_bytes = strlen(name);

    for (size_t i = 0; i < c->n_headers; i++) {
        const struct header_span *h = &c->headers[i];

        if (h->n_name == n_bytes &&
            strncasecmp(c->text.at + h->name, name, n_bytes) == 0)
            return h;
    }
    return NULL;
}

// The request is a member of its connection; `const` means only that this function
// changes nothing.
static const struct conn *owner_of(const struct http_request *r)
{
    return (const struct conn *)(const void *)((const char *)r -
                                               offsetof(struct conn, request));
}

static struct str value_of(const struct conn *c, const struct header_span *h)
{
    struct str value = { c->text.at + h->value, h->n_value };

    while (value.n_bytes > 0 && (value.at[value.n_bytes - 1] == ' ' ||
                                 value.at[value.n_bytes - 1] == '\t'))
        value.n_bytes--;
    return value;
}

bool http_header_at(const struct http_request *r, size_t i, struct str *name,
                    struct str *value)
{
    const struct conn *c = owner_of(r);

    if (i >= c->n_headers)
        return false;
    *name =
        (struct str){ c->text.at + c->headers[i].name, c->headers[i].n_name };
    *value = value_of(c, &c->headers[i]);
    return true;
}

struct str http_header(const struct http_request *r, const char *name)
{
    const struct conn *c = owner_of(r);
    const struct header_span *h = find(c, name);

    return h != NULL ? value_of(c, h) : STR_EMPTY;
}

bool http_has_header(const struct http_request *r, const char *name)
{
    return find(owner_of(r), name) != NULL;
}

bool http_is_type(const struct http_request *r, const char *type)
{
    struct str value = http_header(r, "content-type");
    size_t n_bytes = strlen(type);

    return value.at != NULL && value.n_bytes >= n_bytes &&
           strncasecmp(value.at, type, n_bytes) == 0 &&
           (value.n_bytes == n_bytes || value.at[n_bytes] == ';' ||
            value.at[n_bytes] == ' ');
}

bool http_is_encrypted(const struct http_request *r)
{
    return owner_of(r)->stream.crypt != NULL;
}

const char *http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 302, "Found" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 421, "Misdirected Request" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return status < 400 ? "OK" : "Error";
}

enum err http_decode(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n_bytes; i++) {
        int high;
        int low;

        if (text.at[i] == '\0')
            return ERR_INVALID;
        if (text.at[i] != '%') {
            buf_putc(out, text.at[i]);
            continue;
        }
        if (text.n_bytes - i < 3)
            return ERR_INVALID;
        high = text_hex_value(text.at[i + 1]);
        low = text_hex_value(text.at[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return ERR_INVALID;
        buf_putc(out, (char)(unsigned char)(high << 4 | low));
        i += 2;
    }
    return out->overflow ? ERR_INVALID : OK;
}

static char plus_is_blank(char c)
{
    if (c == '+')
        return ' ';
    return c;
}

// In a query a plus is a blank (HTML's form encoding, as clients send it).
static enum err decode_query(struct str text, struct buf *out)
{
    size_t start = out->n_bytes;
    struct buf plain;
    enum err err;

    buf_init(&plain, 0);
    for (size_t i = 0; i < text.n_bytes; i++)
        buf_putc(&plain, plus_is_blank(text.at[i]));
    err = http_decode(buf_str(&plain), out);
    buf_clear(&plain);
    if (err != OK)
        out->n_bytes = start;
    return err;
}

enum err http_query(const struct http_request *r, const char *name,
                    struct buf *out)
{
    struct str rest = r->query;
    size_t n_name = strlen(name);

    while (rest.n_bytes > 0) {
        const char *end = memchr(rest.at, '&', rest.n_bytes);
        struct str pair = rest;

        if (end != NULL)
            pair.n_bytes = (size_t)(end - rest.at);
        rest.at += pair.n_bytes + (end != NULL);
        rest.n_bytes -= pair.n_bytes + (end != NULL);
        if (pair.n_bytes < n_name || memcmp(pair.at, name, n_name) != 0 ||
            (pair.n_bytes > n_name && pair.at[n_name] != '='))
            continue;
        if (pair.n_bytes == n_name)
            return OK; // without a value: empty
        return decode_query(
            (struct str){ pair.at + n_name + 1, pair.n_bytes - n_name - 1 },
            out);
    }
    return ERR_NOTFOUND;
}
