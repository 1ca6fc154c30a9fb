// SPDX-License-Identifier: MIT
// url_mask.c — URLs of hooks as the log and traces show them.

#include "common/model/url_mask.h"

#include <string.h>

#include "common/model/request_header.h"

// Appends the URL up to its path, with user and password masked; returns the rest.
static struct str put_host(struct str url, struct buf *out)
{
    const char *scheme = memmem(url.at, url.n_bytes, "://", 3);
    size_t at = scheme != NULL ? (size_t)(scheme - url.at) + 3 : 0;
    size_t end = at;
    const char *user;

    while (end < url.n_bytes && strchr("/?#", url.at[end]) == NULL)
        end++;
    buf_put(out, url.at, at);
    user = memrchr(url.at + at, '@', end - at);
    if (user != NULL) {
        buf_puts(out, HEADER_MASK "@");
        at = (size_t)(user - url.at) + 1;
    }
    buf_put(out, url.at + at, end - at);
    return (struct str){ url.at + end, url.n_bytes - end };
}

void url_put_masked(enum hook_format format, struct str url, struct buf *out)
{
    size_t n_path = 0;
    struct str rest;

    if (url.n_bytes == 0 || format == FORMAT_PULUMI_DEPLOYMENTS) {
        buf_put_str(out, url);
        return;
    }
    rest = put_host(url, out);
    if (format == FORMAT_SLACK ||
        format == FORMAT_MS_TEAMS) { // the path is the secret
        buf_puts(out, rest.n_bytes > 0 ? "/" HEADER_MASK : "");
        return;
    }
    while (n_path < rest.n_bytes && rest.at[n_path] != '?' &&
           rest.at[n_path] != '#')
        n_path++;
    buf_put(out, rest.at, n_path);
    if (n_path < rest.n_bytes)
        buf_puts(out, "?" HEADER_MASK);
}
