// SPDX-License-Identifier: MIT
// transfer_options.c — the options of libcurl's handles.

#include <string.h>

#include "common/log/log.h"
#include "engine/sender/private.h"

#define DNS_CACHE_S 30L

bool has_proxy(const struct transfers *ts)
{
    return ts->config->egress_proxy[0] != '\0';
}

bool is_tls(const struct transfer *t)
{
    return str_starts(str_of(t->copy.at), STR("https:"));
}

// Verification is always on: there is no setting that turns it off.
static void set_tls_options(struct transfer *t)
{
    struct transfers *ts = t->owner;
    CURL *easy = t->easy;

    SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (ts->authorities.data != NULL)
        SET(easy, CURLOPT_CAINFO_BLOB, &ts->authorities);
}

static void set_connection_options(CURL *easy)
{
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_PATH_AS_IS, 1L);
    SET(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(easy, CURLOPT_TCP_NODELAY, 1L);
    SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_S);
    SET(easy, CURLOPT_MAXAGE_CONN, CONNECTION_IDLE_S);
    SET(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
}

// Sets the options that are the same for every attempt.
// NOLINTNEXTLINE(readability-function-size): libcurl's macros count as code
static void set_fixed_options(struct transfer *t)
{
    CURL *easy = t->easy;

    SET(easy, CURLOPT_PRIVATE, (char *)t);
    SET(easy, CURLOPT_ERRORBUFFER, t->message);
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    // An empty value: no proxy from the environment. With a proxy, nothing bypasses it.
    SET(easy, CURLOPT_PROXY, t->owner->config->egress_proxy);
    SET(easy, CURLOPT_NOPROXY, has_proxy(t->owner) ? "" : "*");
    SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    SET(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    t->http_version = CURL_HTTP_VERSION_1_1;
    SET(easy, CURLOPT_HTTP_VERSION, t->http_version);
    SET(easy, CURLOPT_USERAGENT, USER_AGENT);
    SET(easy, CURLOPT_POST, 1L);
}

void options_init(struct transfer *t)
{
    set_fixed_options(t);
    set_connection_options(t->easy);
    set_tls_options(t);
}

// --- of an order ---

// The list's nodes are in the transfer and point into the copy: no allocation, and
// libcurl does not free a list that it was lent. An empty "Expect:" switches off
// libcurl's own "Expect: 100-continue".
static struct curl_slist *link_headers(struct transfer *t, char *at,
                                       size_t n_bytes)
{
    static char no_expect[] = "Expect:";
    size_t n = 0;

    t->headers[n++].data = no_expect;
    for (const char *end = at + n_bytes; at < end && n < HEADERS_MAX;
         at += strlen(at) + 1)
        t->headers[n++].data = at;
    for (size_t i = 0; i < n; i++)
        t->headers[i].next = i + 1 < n ? &t->headers[i + 1] : NULL;
    return t->headers;
}

static struct curl_blob blob_of(struct str pem)
{
    // libcurl copies it. NOLINTNEXTLINE(performance-no-int-to-ptr): const away
    return (struct curl_blob){ (void *)(uintptr_t)pem.at, pem.n_bytes,
                               CURL_BLOB_COPY };
}

// Sets or clears the client certificate. libcurl shares no connection between different
// client certificates.
static void set_certificate(struct transfer *t, const struct order *order)
{
    struct curl_blob certificate = blob_of(order->client_cert);
    struct curl_blob key = blob_of(order->client_key);
    bool has_one = order->client_cert.n_bytes > 0;

    if (!has_one && !t->has_certificate)
        return;
    SET(t->easy, CURLOPT_SSLCERT_BLOB, has_one ? &certificate : NULL);
    SET(t->easy, CURLOPT_SSLKEY_BLOB, has_one ? &key : NULL);
    t->has_certificate = has_one;
}

void options_set(struct transfer *t, const struct order *order)
{
    struct buf *copy = &t->copy;
    size_t headers_at = order->url.n_bytes + 1;
    size_t body_at = headers_at + order->headers.n_bytes;

    buf_reset(copy);
    buf_put_str(copy, order->url);
    buf_putc(copy, '\0');
    buf_put_str(copy, order->headers);
    buf_put_str(copy, order->body);
    SET(t->easy, CURLOPT_HTTPHEADER,
        link_headers(t, copy->at + headers_at, order->headers.n_bytes));
    SET(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)order->body.n_bytes);
    SET(t->easy, CURLOPT_POSTFIELDS, copy->at + body_at); // also sets POST
    SET(t->easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (order->method != ORDER_POST)
        SET(t->easy, CURLOPT_HTTPGET, 1L);
    if (order->method == ORDER_OPTIONS)
        SET(t->easy, CURLOPT_CUSTOMREQUEST, order_method_name(order->method));
    set_certificate(t, order);
}

void options_clear_certificate(struct transfer *t)
{
    const struct order none = { .no = 0 };

    set_certificate(t, &none);
}
