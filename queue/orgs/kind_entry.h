// SPDX-License-Identifier: MIT
// kind_entry.h — the value of an entry in an organization's catalogue of kinds
// (ORG_EVENT_KIND): two texts, one of them for lists. Part of queue.h. Pure.
//
// A list of many entries is made without reading what each entry holds.

#ifndef QUEUE_ORGS_KIND_ENTRY_H
#define QUEUE_ORGS_KIND_ENTRY_H

#include <string.h>

#include "common/base/buf.h"
#include "common/base/str.h"

// JSON objects, borrowed; no text of JSON has a NUL.
struct kind_entry {
    struct str summary; // for lists
    struct str whole;
};

static inline void kind_entry_put(const struct kind_entry *e, struct buf *out)
{
    buf_put_str(out, e->summary);
    buf_putc(out, '\0');
    buf_put_str(out, e->whole);
}

// An empty object stands for what is not there.
static inline struct kind_entry kind_entry_of(struct str bytes)
{
    const struct str none = { "{}", 2 };
    const char *nul =
        bytes.n_bytes > 0 ? memchr(bytes.at, '\0', bytes.n_bytes) : NULL;
    size_t n = nul != NULL ? (size_t)(nul - bytes.at) : 0;

    if (n < 2 || bytes.n_bytes - n - 1 < 2)
        return (struct kind_entry){ none, none };
    return (struct kind_entry){ { bytes.at, n },
                                { bytes.at + n + 1, bytes.n_bytes - n - 1 } };
}

#endif
