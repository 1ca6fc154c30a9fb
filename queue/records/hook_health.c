// SPDX-License-Identifier: MIT
// hook_health.c — the state of a hook that survives restarts: its record, and the
// reason for its failure in words.

#include "queue/records/hook_health.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/http/http.h"
#include "queue/records/schema.h"

bool hook_health_is_empty(const struct hook_health *h)
{
    return h->failing_since_ms == 0 && h->told_disabled_at_ms == 0 &&
           h->n_failed == 0 && h->cause == FAILING_NOT && !h->is_end_owed &&
           h->alarmed_at_ran_ms == 0 && h->dead_told_at_ran_ms == 0 &&
           h->dead == NULL;
}

// --- the record ---

#define HEALTH(name) MEMBER(struct hook_health, name)

static const struct member health_members[] = {
    HEALTH(failing_since_ms),
    HEALTH(told_disabled_at_ms),
    HEALTH(failing_ms),
    HEALTH(failed_at_ran_ms),
    HEALTH(alarmed_at_ran_ms),
    HEALTH(dead_told_at_ran_ms),
    HEALTH(n_failed),
    HEALTH(n_same),
    HEALTH(response_code),
    MEMBER_MAX(struct hook_health, error, ERROR_CLASSES - 1),
    MEMBER_MAX(struct hook_health, cause, FAILING_CAUSES - 1),
    HEALTH(percent_told),
    HEALTH(is_alarmed),
    HEALTH(is_end_owed),
};
static const struct member dead_members[] = {
    MEMBER(struct unreported_dead, n),
    MEMBER(struct unreported_dead, first.bytes),
    MEMBER(struct unreported_dead, last.bytes),
    MEMBER(struct unreported_dead, newest),
};

void health_encode(const struct hook_health *h, struct buf *out)
{
    static const struct unreported_dead none = { .n = 0 };
    const struct unreported_dead *dead = h->dead != NULL ? h->dead : &none;
    size_t start = record_begin(out, HEALTH_VERSION);

    members_pack(out, MEMBERS(health_members), h);
    members_pack(out, MEMBERS(dead_members), dead);
    record_end(out, start);
}

// Version 1 has two numbers and no checksum.
static void decode_first(struct str bytes, struct hook_health *out)
{
    const uint8_t *at = (const uint8_t *)bytes.at;

    out->failing_since_ms = (int64_t)get_be64(at);
    out->told_disabled_at_ms = (int64_t)get_be64(at + 8);
}

enum err health_decode(uint32_t place, struct str bytes,
                       struct hook_health *out, struct unreported_dead *dead)
{
    struct unpack u;
    uint8_t version;
    enum err err;

    memset(out, 0, sizeof(*out));
    memset(dead, 0, sizeof(*dead));
    if (bytes.n_bytes == HEALTH_FIRST_BYTES) {
        decode_first(bytes, out);
        return OK;
    }
    err = record_open(place, bytes, HEALTH_VERSION, &version, &u);
    if (err != OK || version == 1)
        return ERR_CORRUPT;
    members_unpack(&u, MEMBERS(health_members), version, out);
    members_unpack(&u, MEMBERS(dead_members), version, dead);
    err = unpack_done(&u);
    if (dead->n > 0)
        out->dead = dead;
    return err;
}

// --- words ---

// How an attempt ended: "were answered 500 Internal Server Error".
static void put_end(const struct hook_health *h, bool is_one, struct buf *out)
{
    const char *be = is_one ? "was" : "were";

    switch (h->error) {
    case ERROR_NONE:
    case ERROR_STATUS:
    case ERROR_GONE:
        if (h->response_code >= 200 && h->response_code <= 299) {
            buf_printf(out, "%s answered %u with a body that reports a failure",
                       be, h->response_code);
        } else {
            buf_printf(out, "%s answered %u %s", be, h->response_code,
                       http_reason(h->response_code));
        }
        break;
    case ERROR_DNS:
        buf_puts(out, "found no address for the host's name");
        break;
    case ERROR_CONNECT:
        buf_puts(out, "could not connect");
        break;
    case ERROR_TLS:
        buf_puts(out, "failed in TLS");
        break;
    case ERROR_TIMEOUT:
        buf_puts(out, "got no answer in time");
        break;
    case ERROR_RESET:
        buf_printf(out, "%s cut off by the receiver", be);
        break;
    case ERROR_PROTOCOL:
        buf_puts(out, "got no HTTP answer");
        break;
    case ERROR_BLOCKED:
        buf_printf(out, "%s not sent: the receiver's address is not allowed",
                   be);
        break;
    }
}

static void put_since(const struct hook_health *h, struct buf *out)
{
    if (h->failing_since_ms <= 0)
        return;
    buf_puts(out, ", since ");
    clock_put_rfc3339(out, h->failing_since_ms);
}

void hook_health_put_reason(const struct hook_health *h, struct buf *out)
{
    if (h->cause == FAILING_NOT)
        return;
    if (h->cause == FAILING_BREAKER && h->n_failed == 1) {
        buf_puts(out, "half of the last 20 attempts failed; the newest ");
        put_end(h, true, out);
        return;
    }
    buf_printf(out, "the last %" PRIu32 " attempts ", h->n_failed);
    if (h->n_same >= h->n_failed) {
        put_end(h, h->n_failed == 1, out);
    } else {
        buf_puts(out, "failed; the newest ");
        put_end(h, true, out);
    }
    put_since(h, out);
}
