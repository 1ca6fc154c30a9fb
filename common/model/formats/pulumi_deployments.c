// SPDX-License-Identifier: MIT
// pulumi_deployments.c — starts a deployment of another stack.
//
// The hook names the stack as project/stack of its own organization. The call
// is Pulumi's Create Deployment; which settings it runs with is the stack's
// business, so the body is the same for every event.

#include <stdio.h>
#include <string.h>

#include "common/encoding/url.h"
#include "common/model/formats/format.h"

// Such a segment ("." or "..") would change the path for whatever reads the URL.
static bool is_dots(struct str segment)
{
    return str_is(segment, ".") || str_is(segment, "..");
}

static bool has_dots(struct str url)
{
    const char *slash = memchr(url.at, '/', url.n_bytes);
    size_t n_first = slash != NULL ? (size_t)(slash - url.at) : url.n_bytes;

    return is_dots((struct str){ url.at, n_first }) ||
           (slash != NULL &&
            is_dots((struct str){ slash + 1, url.n_bytes - n_first - 1 }));
}

static enum err check_url(struct str url, const char *prefixes, struct buf *why)
{
    size_t n_slashes = 0;
    bool is_good = url.n_bytes > 2 && url.n_bytes <= URL_MAX_BYTES &&
                   url.at[0] != '/' && url.at[url.n_bytes - 1] != '/';

    (void)prefixes;
    for (size_t i = 0; i < url.n_bytes; i++) {
        n_slashes += url.at[i] == '/';
        is_good =
            is_good && (unsigned char)url.at[i] > ' ' && url.at[i] != 0x7f;
    }
    if (is_good && n_slashes == 1 && !has_dots(url))
        return OK;
    buf_puts(why, "must be of the form project/stack for the format "
                  "pulumi_deployments, neither of them . or ..");
    return ERR_INVALID;
}

static void render(const struct format_event *event, struct buf *out)
{
    (void)event;
    buf_puts(out, "{\"operation\":\"update\",\"inheritSettings\":true}");
}

const struct format format_pulumi_deployments = {
    .name = "pulumi_deployments",
    .number = 4,
    .is_pulumi = true,
    .is_for_organizations = false,
    .check_url = check_url,
    .render = render,
};

// --- the address ---

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

// A slash stays: targets contain one, names of organizations contain none.
static void put_segments(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n_bytes; i++) {
        char c = text.at[i];

        if (is_unreserved(c) || c == '/') {
            buf_putc(out, c);
        } else {
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
        }
    }
}

void format_deployments_url(struct str base, struct str org, struct str target,
                            bool stack_itself, struct buf *out)
{
    while (base.n_bytes > 0 && base.at[base.n_bytes - 1] == '/')
        base.n_bytes--;
    buf_put_str(out, base);
    buf_puts(out, "/api/stacks/");
    put_segments(org, out);
    buf_putc(out, '/');
    put_segments(target, out);
    if (!stack_itself)
        buf_puts(out, "/deployments");
}
