// SPDX-License-Identifier: MIT
// org_retention.c — how long an organization's history, dead letters
// and events are kept.

#include "queue/orgs/org_retention.h"

#include "common/base/codec.h"
#include "queue/orgs/org_values.h"

#define BYTES 24 // delivered_ms(8) dead_ms(8) forgotten_until_ms(8)

void org_retention_put(const struct org_retention *r, struct buf *out)
{
    uint8_t bytes[BYTES];

    put_be64(bytes, (uint64_t)r->delivered_ms);
    put_be64(bytes + 8, (uint64_t)r->dead_ms);
    put_be64(bytes + 16, (uint64_t)r->forgotten_until_ms);
    buf_put(out, bytes, sizeof(bytes));
}

enum err org_retention_read(struct str bytes, struct org_retention *out)
{
    const uint8_t *at = (const uint8_t *)bytes.at;

    if (bytes.n_bytes != BYTES)
        return ERR_CORRUPT;
    out->delivered_ms = (int64_t)get_be64(at);
    out->dead_ms = (int64_t)get_be64(at + 8);
    out->forgotten_until_ms = (int64_t)get_be64(at + 16);
    return out->delivered_ms < 0 || out->dead_ms < 0 ? ERR_CORRUPT : OK;
}

struct found {
    struct org_retention *out;
    enum err err;
};

static bool on_value(void *data, const struct org_value *value)
{
    struct found *f = data;

    f->err = org_retention_read(value->bytes, f->out);
    return false;
}

enum err org_retention_get(struct hook_store *hs, uint64_t org_no,
                           struct org_retention *out)
{
    struct found found = { .out = out };
    enum err err =
        org_value_get(hs, ORG_RETENTION, org_no, STR_EMPTY, on_value, &found);

    return err == OK ? found.err : err;
}
