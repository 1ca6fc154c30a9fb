// SPDX-License-Identifier: MIT
// host.c — which names the API answers under.

#include "api/core/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "common/encoding/url.h"

static bool ends_with(struct str name, struct str end)
{
    return name.n_bytes > end.n_bytes &&
           strncasecmp(name.at + name.n_bytes - end.n_bytes, end.at,
                       end.n_bytes) == 0;
}

// Whether the text after a colon is a port: digits, or nothing.
static bool is_port(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at == end;
}

// Cuts the port off a host, and the dot at the end of a name. False: it is not a valid
// host.
static bool cut_port(struct str host, struct str *out)
{
    const char *end = host.at + host.n_bytes;
    const char *colon;

    if (host.n_bytes == 0)
        return false;
    if (host.at[0] == '[') {
        const char *bracket = memchr(host.at, ']', host.n_bytes);

        if (bracket == NULL ||
            (bracket + 1 < end &&
             (bracket[1] != ':' || !is_port(bracket + 2, end))))
            return false;
        *out = (struct str){ host.at, (size_t)(bracket + 1 - host.at) };
        return true;
    }
    colon = memchr(host.at, ':', host.n_bytes);
    if (colon != NULL && !is_port(colon + 1, end))
        return false;
    *out = host;
    if (colon != NULL)
        out->n_bytes = (size_t)(colon - host.at);
    if (out->n_bytes > 1 && out->at[out->n_bytes - 1] == '.')
        out->n_bytes--;
    return out->n_bytes > 0;
}

static bool is_address(struct str host)
{
    char text[INET6_ADDRSTRLEN + 2];
    struct in6_addr v6;
    struct in_addr v4;

    if (host.n_bytes >= sizeof(text))
        return false;
    memcpy(text, host.at, host.n_bytes);
    text[host.n_bytes] = '\0';
    if (text[0] != '[')
        return inet_pton(AF_INET, text, &v4) == 1;
    text[host.n_bytes - 1] = '\0'; // drops the closing bracket
    return inet_pton(AF_INET6, text + 1, &v6) == 1;
}

// Whether the list has the name; "*.example.com" stands for every name below
// example.com.
static bool is_listed(const char *list, struct str name)
{
    static const char separators[] = ", \t";

    while (*(list += strspn(list, separators)) != '\0') {
        struct str item = { list, strcspn(list, separators) };

        list += item.n_bytes;
        if (item.n_bytes > 2 && item.at[0] == '*') {
            if (ends_with(name, (struct str){ item.at + 1, item.n_bytes - 1 }))
                return true;
        } else if (str_eq_any_case(name, item)) {
            return true;
        }
    }
    return false;
}

static bool is_of_url(const char *text, struct str name)
{
    struct url url;

    return text[0] != '\0' && url_parse(str_of(text), &url, NULL) == OK &&
           str_eq_any_case(name, str_of(url.host));
}

bool host_is_of_url(const char *url, struct str host)
{
    struct str name;

    return cut_port(host, &name) && is_of_url(url, name);
}

static bool is_local_name(struct str name)
{
    return str_eq_any_case(name, STR("localhost")) ||
           ends_with(name, STR(".localhost"));
}

bool host_is_loopback(struct str host)
{
    static const struct str mapped = { "::ffff:", 7 }; // IPv4 on an IPv6 socket
    struct str name;

    if (str_is(host, "::1"))
        return true;
    if (str_starts(host, mapped)) {
        host = (struct str){ host.at + mapped.n_bytes,
                             host.n_bytes - mapped.n_bytes };
    }
    if (!cut_port(host, &name))
        return false;
    return is_local_name(name) || str_is(name, "[::1]") ||
           (is_address(name) && str_starts(name, STR("127.")));
}

// Whether the name is the machine's host name, whole or its first label: machines in
// the same network may use either.
static bool is_own(struct str own_name, struct str name)
{
    const char *dot = own_name.n_bytes > 0
                          ? memchr(own_name.at, '.', own_name.n_bytes)
                          : NULL;
    struct str first = own_name;

    if (dot != NULL)
        first.n_bytes = (size_t)(dot - own_name.at);
    return str_eq_any_case(name, own_name) || str_eq_any_case(name, first);
}

bool host_is_ours(const struct config *config, struct str own_name,
                  struct str host)
{
    struct str name;

    if (!cut_port(host, &name))
        return false;
    return is_address(name) || is_local_name(name) || is_own(own_name, name) ||
           is_of_url(config->dashboard_url, name) ||
           is_listed(config->api_hosts, name);
}
