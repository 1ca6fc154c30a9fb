// SPDX-License-Identifier: MIT
// url.c — reads URLs with libcurl's parser, which also sends to them.
//
// libcurl accepts much that other parsers read differently: "http:/host", "0x7f.1",
// "%31.0.0.1". So the parsed parts are put together again, and a text that differs
// from the result is refused: the text then has only one reading.

#include "common/encoding/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"

#define HOST_MAX_BYTES  253
#define LABEL_MAX_BYTES 63

static enum err refuse(struct buf *why, const char *sentence)
{
    if (why != NULL)
        buf_puts(why, sentence);
    return ERR_INVALID;
}

static bool has_scheme(struct str text, const char *scheme)
{
    size_t n_bytes = strlen(scheme);

    return text.n_bytes > n_bytes && strncasecmp(text.at, scheme, n_bytes) == 0;
}

static enum err check_bytes(struct str text, struct buf *why)
{
    if (text.n_bytes == 0)
        return refuse(why, "the URL is empty; it must be http or https");
    if (text.n_bytes > URL_MAX_BYTES)
        return refuse(why, "the URL is longer than 2000 bytes");
    for (size_t i = 0; i < text.n_bytes; i++) {
        char c = text.at[i];

        if (c <= ' ' || c > '~' || c == '\\') {
            return refuse(why, "the URL has a blank, control, non-ASCII or "
                               "backslash character; write it "
                               "percent-encoded, and the host in punycode");
        }
        if (c == '#') {
            return refuse(why, "the URL has a fragment (#); "
                               "leave it out");
        }
    }
    if (!has_scheme(text, "https://") && !has_scheme(text, "http://"))
        return refuse(why, "the URL must begin with https:// or http://");
    return OK;
}

// --- hosts ---

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

// Labels of letters, digits, '-' and '_' with single dots between them.
static bool is_name(const char *host)
{
    size_t label_bytes = 0;

    for (const char *c = host; *c != '\0'; c++) {
        if (*c == '.' && label_bytes > 0) {
            label_bytes = 0;
        } else if (is_host_char(*c) && label_bytes < LABEL_MAX_BYTES) {
            label_bytes++;
        } else {
            return false;
        }
    }
    return label_bytes > 0 && strlen(host) <= HOST_MAX_BYTES;
}

// Whether some parsers would read the last label as a number: all digits, or 0x…
static bool is_numeric(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot != NULL ? dot + 1 : host;

    if (strncmp(last, "0x", 2) == 0)
        return strspn(last + 2, "0123456789abcdef") == strlen(last + 2);
    return strspn(last, "0123456789") == strlen(last);
}

static bool is_canonical_v4(const char *host)
{
    struct in_addr address;
    char text[INET_ADDRSTRLEN];

    return inet_pton(AF_INET, host, &address) == 1 &&
           inet_ntop(AF_INET, &address, text, sizeof(text)) != NULL &&
           strcmp(text, host) == 0;
}

// `host` is in brackets.
static bool is_canonical_v6(const char *host)
{
    struct in6_addr address;
    char inner[INET6_ADDRSTRLEN];
    char text[INET6_ADDRSTRLEN];
    size_t n_bytes = strlen(host);

    if (n_bytes < 3 || n_bytes - 2 >= sizeof(inner) || host[n_bytes - 1] != ']')
        return false;
    memcpy(inner, host + 1, n_bytes - 2);
    inner[n_bytes - 2] = '\0';
    return inet_pton(AF_INET6, inner, &address) == 1 &&
           inet_ntop(AF_INET6, &address, text, sizeof(text)) != NULL &&
           strcmp(text, inner) == 0;
}

static enum err check_host(const char *host, struct buf *why)
{
    if (host[0] == '[') {
        if (!is_canonical_v6(host)) {
            return refuse(why, "the IPv6 address is not in its canonical form "
                               "(RFC 5952), like [2001:db8::1]");
        }
        return OK;
    }
    if (!is_name(host)) {
        return refuse(why, "the host is not a name of letters, digits, '-', "
                           "'_' and single dots, at most 253 characters");
    }
    if (is_numeric(host) && !is_canonical_v4(host)) {
        return refuse(why, "the host is a number, but not in the canonical "
                           "form of an IPv4 address, like 192.0.2.1");
    }
    return OK;
}

// --- parts ---

struct parts { // owned by libcurl, or NULL
    char *scheme;
    char *host;
    char *port; // NULL: not in the text
    char *path;
    char *query; // NULL: none
};

static void parts_clear(struct parts *p)
{
    curl_free(p->scheme);
    curl_free(p->host);
    curl_free(p->port);
    curl_free(p->path);
    curl_free(p->query);
}

static void get_part(CURLU *handle, CURLUPart part, char **out)
{
    if (curl_url_get(handle, part, out, 0) != CURLUE_OK)
        *out = NULL;
}

static const char *fault_of(CURLUcode code)
{
    switch ((int)code) { // an int, since libcurl adds values
    case CURLUE_USER_NOT_ALLOWED:
        return "the URL has a user name; credentials belong into a header";
    case CURLUE_BAD_PORT_NUMBER:
        return "the port must be a number from 1 to 65535";
    case CURLUE_BAD_IPV6:
        return "the IPv6 address is not one, like [2001:db8::1]";
    case CURLUE_BAD_HOSTNAME:
    case CURLUE_NO_HOST:
        return "the URL has no valid host";
    default: // other codes: a general message
        return "not a URL like https://example.com/path";
    }
}

static enum err split(const char *text, struct parts *out, struct buf *why)
{
    CURLU *handle = curl_url();
    CURLUcode code;

    *out = (struct parts){ 0 };
    if (handle == NULL)
        return refuse(why, "the URL could not be read");
    code = curl_url_set(handle, CURLUPART_URL, text,
                        CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
    if (code == CURLUE_OK) {
        get_part(handle, CURLUPART_SCHEME, &out->scheme);
        get_part(handle, CURLUPART_HOST, &out->host);
        get_part(handle, CURLUPART_PORT, &out->port);
        get_part(handle, CURLUPART_PATH, &out->path);
        get_part(handle, CURLUPART_QUERY, &out->query);
    }
    curl_url_cleanup(handle);
    return code == CURLUE_OK ? OK : refuse(why, fault_of(code));
}

static bool take_text(const char **rest, const char *text)
{
    size_t n_bytes = strlen(text);

    if (strncmp(*rest, text, n_bytes) != 0)
        return false;
    *rest += n_bytes;
    return true;
}

static bool take_any_case(const char **rest, const char *text)
{
    size_t n_bytes = strlen(text);

    if (strncasecmp(*rest, text, n_bytes) != 0)
        return false;
    *rest += n_bytes;
    return true;
}

// Whether the text consists of exactly these parts: scheme and host in either case;
// a path of "/" may be left out, and a query may be empty.
static bool is_canonical(const char *text, const struct parts *p)
{
    const char *rest = text;

    if (!take_any_case(&rest, p->scheme) || !take_text(&rest, "://") ||
        !take_any_case(&rest, p->host))
        return false;
    if (p->port != NULL &&
        (!take_text(&rest, ":") || !take_text(&rest, p->port)))
        return false;
    if (!take_text(&rest, p->path) && strcmp(p->path, "/") != 0)
        return false;
    if (take_text(&rest, "?") && p->query != NULL &&
        !take_text(&rest, p->query))
        return false;
    return *rest == '\0';
}

static enum err read_port(const struct parts *p, uint16_t *out, struct buf *why)
{
    unsigned long port = strcasecmp(p->scheme, "https") == 0 ? 443 : 80;

    if (p->port != NULL)
        port = strtoul(p->port, NULL, 10);
    if (port < 1 || port > UINT16_MAX)
        return refuse(why, "the port must be a number from 1 to 65535");
    *out = (uint16_t)port;
    return OK;
}

static enum err check_parts(const char *text, const struct parts *p,
                            struct url *out, struct buf *why)
{
    struct url url = { 0 };
    enum err err;

    if (p->scheme == NULL || p->host == NULL || p->path == NULL ||
        strlen(p->host) >= sizeof(url.host))
        return refuse(why, "the URL has no valid host");
    url.is_https = strcasecmp(p->scheme, "https") == 0;
    for (size_t i = 0; p->host[i] != '\0'; i++) {
        char c = p->host[i];

        url.host[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    err = read_port(p, &url.port, why);
    if (err != OK)
        return err;
    err = check_host(url.host, why);
    if (err != OK)
        return err;
    if (!is_canonical(text, p)) {
        return refuse(why, "the URL is not in its canonical form, like "
                           "https://example.com:8443/path or "
                           "https://192.0.2.1/path");
    }
    *out = url;
    return OK;
}

enum err url_parse(struct str text, struct url *out, struct buf *why)
{
    struct parts parts;
    char *terminated;
    enum err err;

    err = check_bytes(text, why);
    if (err != OK)
        return err;
    terminated = xstrndup(text.at, text.n_bytes);
    err = split(terminated, &parts, why);
    if (err == OK)
        err = check_parts(terminated, &parts, out, why);
    parts_clear(&parts);
    free(terminated);
    return err;
}

void url_endpoint(const struct url *url, struct buf *out)
{
    buf_printf(out, "%s://%s:%u", url->is_https ? "https" : "http", url->host,
               (unsigned)url->port);
}
