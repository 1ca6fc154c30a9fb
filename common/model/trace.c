// SPDX-License-Identifier: MIT
// trace.c — the trace that an event belongs to: W3C Trace Context, and ids of spans.

#include "common/model/trace.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/encoding/crypto.h"

// "00-" trace id "-" parent id "-" flags
#define AT_TRACE_ID  3
#define AT_PARENT_ID 36
#define AT_FLAGS     53
#define FLAG_SAMPLED 1

static int nibble_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; // no capitals
}

// False: it is not lower-case hexadecimal.
static bool read_hex(const char *text, uint8_t *out, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        int high = nibble_of(text[2 * i]);
        int low = nibble_of(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

// Later versions may append to the text, after a dash.
static bool read_parent(struct str text, struct trace *out)
{
    uint8_t version, flags;

    if (text.n_bytes < TRACE_PARENT_BYTES || text.at[2] != '-' ||
        text.at[AT_PARENT_ID - 1] != '-' || text.at[AT_FLAGS - 1] != '-' ||
        !read_hex(text.at, &version, 1) ||
        !read_hex(text.at + AT_TRACE_ID, out->trace_id, TRACE_ID_BYTES) ||
        !read_hex(text.at + AT_PARENT_ID, out->parent_id, SPAN_ID_BYTES) ||
        !read_hex(text.at + AT_FLAGS, &flags, 1))
        return false;
    if (version == 0xff ||
        (text.n_bytes > TRACE_PARENT_BYTES &&
         (version == 0 || text.at[TRACE_PARENT_BYTES] != '-')))
        return false;
    out->is_sampled = (flags & FLAG_SAMPLED) != 0;
    return !is_zero(out->trace_id, TRACE_ID_BYTES) &&
           !is_zero(out->parent_id, SPAN_ID_BYTES);
}

static bool is_state(struct str text)
{
    size_t n_members = 1;

    if (text.n_bytes == 0 || text.n_bytes > TRACE_STATE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < text.n_bytes; i++) {
        char c = text.at[i];

        n_members += c == ',';
        if ((c < ' ' || c > '~') && c != '\t')
            return false;
    }
    return n_members <= TRACE_STATE_MEMBERS;
}

void trace_put_context(struct str parent, struct str state, struct buf *out)
{
    struct trace trace;

    if (!read_parent(parent, &trace))
        return;
    buf_put_str(out, (struct str){ parent.at, TRACE_PARENT_BYTES });
    if (!is_state(state))
        return;
    buf_putc(out, ' ');
    buf_put_str(out, state);
}

// A number of the organization is not known where events come in, so its name is hashed:
// two organizations may have events of one id.
static void hash_of(const struct event *event, enum trace_span kind,
                    uint64_t hook, int64_t attempt, uint8_t out[SHA256_BYTES])
{
    uint8_t fixed[18];
    const struct str key = STR("posthorn.trace");
    struct str parts[3];

    put_be64(fixed, hook);
    put_be64(fixed + 8, (uint64_t)attempt);
    fixed[16] = (uint8_t)kind;
    fixed[17] = (uint8_t)event->dialect;
    parts[0] =
        (struct str){ (const char *)event->id.bytes, sizeof(event->id.bytes) };
    parts[1] = (struct str){ (const char *)fixed, sizeof(fixed) };
    parts[2] = event->org;
    crypto_hmac_sha256(key, parts, 3, out);
}

void trace_of_event(const struct event *event, unsigned percent,
                    struct trace *out)
{
    uint8_t hash[SHA256_BYTES];

    *out = (struct trace){ .has_parent = false };
    if (event->trace.n_bytes >= TRACE_PARENT_BYTES &&
        read_parent((struct str){ event->trace.at, TRACE_PARENT_BYTES }, out)) {
        out->has_parent = true;
        if (event->trace.n_bytes > TRACE_PARENT_BYTES + 1) {
            out->state =
                (struct str){ event->trace.at + TRACE_PARENT_BYTES + 1,
                              event->trace.n_bytes - TRACE_PARENT_BYTES - 1 };
            if (!is_state(out->state)) // it goes into requests as it is
                out->state = STR_EMPTY;
        }
        return;
    }
    hash_of(event, 0, 0, 0, hash);
    memcpy(out->trace_id, hash, TRACE_ID_BYTES);
    out->trace_id[0] |= 1; // never all zeros
    out->is_sampled = get_be64(out->trace_id + 8) % 100 < percent;
}

void trace_put_parent(const struct trace *trace, const uint8_t *id,
                      struct buf *out)
{
    buf_puts(out, "00-");
    crypto_put_hex(out, trace->trace_id, TRACE_ID_BYTES);
    buf_putc(out, '-');
    crypto_put_hex(out, id, SPAN_ID_BYTES);
    buf_puts(out, trace->is_sampled ? "-01" : "-00");
}

void trace_span_id(const struct event *event, enum trace_span kind,
                   uint64_t hook, int64_t attempt, uint8_t out[SPAN_ID_BYTES])
{
    uint8_t hash[SHA256_BYTES];

    hash_of(event, kind, hook, attempt, hash);
    memcpy(out, hash, SPAN_ID_BYTES);
    out[0] |= 1; // never all zeros
}
