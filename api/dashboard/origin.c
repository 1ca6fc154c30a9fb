// SPDX-License-Identifier: MIT
// origin.c — which page a request comes from, and whether others can listen.

#include "api/dashboard/origin.h"

#include "api/core/host.h"
#include "common/encoding/url.h"

static const char foreign[] =
    "the request comes from another page (Sec-Fetch-Site, Origin): a session "
    "serves the dashboard's own page alone";

bool origin_put(struct str text, struct buf *out)
{
    struct url url;

    if (url_parse(text, &url, NULL) != OK)
        return false;
    buf_printf(out, "%s://%s", url.is_https ? "https" : "http", url.host);
    if (url.port != (url.is_https ? 443 : 80))
        buf_printf(out, ":%u", (unsigned)url.port);
    return true;
}

// Whether an Origin is the one of this URL, whose path does not matter.
static bool is_of_url(struct str origin, const char *text)
{
    struct buf wanted;
    bool is_it;

    buf_init(&wanted, 0);
    is_it = text[0] != '\0' && origin_put(str_of(text), &wanted) &&
            str_eq(origin, buf_str(&wanted));
    buf_clear(&wanted);
    return is_it;
}

// Whether the client speaks TLS: to us, or to a proxy in front, as dashboard_url says of
// this Host.
static bool is_over_tls(const struct origin_facts *f)
{
    struct url url;

    return f->is_encrypted ||
           (f->public_url[0] != '\0' &&
            url_parse(str_of(f->public_url), &url, NULL) == OK &&
            url.is_https && host_is_of_url(f->public_url, f->host));
}

// Whether an Origin is the address under which this very request reached us.
static bool is_of_host(struct str origin, const struct origin_facts *f)
{
    struct str scheme = is_over_tls(f) ? STR("https://") : STR("http://");

    if (!str_starts(origin, scheme) || f->host.n_bytes == 0)
        return false;
    origin.at += scheme.n_bytes;
    origin.n_bytes -= scheme.n_bytes;
    return str_eq_any_case(origin, f->host);
}

static bool is_ours(const struct origin_facts *f)
{
    return is_of_host(f->origin, f) || is_of_url(f->origin, f->public_url);
}

const char *origin_login_fault(const struct origin_facts *f)
{
    if (f->site.n_bytes > 0)
        return str_is(f->site, "same-origin") ? NULL : foreign;
    return f->origin.n_bytes == 0 || is_ours(f) ? NULL : foreign;
}

const char *origin_fault(const struct origin_facts *f)
{
    if (f->is_read && str_is(f->site, "none"))
        return NULL; // typed by a person
    if (origin_login_fault(f) != NULL)
        return foreign;
    if (f->is_read)
        return NULL;
    if (f->site.n_bytes == 0 && f->origin.n_bytes == 0) {
        return "a session changes nothing without Sec-Fetch-Site or Origin, "
               "which say where the request comes from";
    }
    if (!str_is(f->mark, "1"))
        return "a session changes nothing without the header X-Posthorn: 1";
    return NULL;
}

bool origin_is_private(const struct origin_facts *f)
{
    return is_over_tls(f) ||
           (host_is_loopback(f->peer) && host_is_loopback(f->host));
}
