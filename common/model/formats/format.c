// SPDX-License-Identifier: MIT
// format.c — checks that several formats share.

#include "common/model/formats/format.h"

#include "common/encoding/url.h"

enum err format_check_http(struct str url, const char *prefixes,
                           struct buf *why)
{
    struct url parsed;
    struct buf reason;
    enum err err;

    (void)prefixes;
    buf_init(&reason, 0);
    err = url_parse(url, &parsed, &reason);
    if (err != OK)
        buf_put_str(why, buf_str(&reason));
    buf_clear(&reason);
    return err;
}
