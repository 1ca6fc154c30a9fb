// SPDX-License-Identifier: MIT
// sealed.c — seals parts of events and attempts, and opens them.
//
// A sealed text is bound to the record that it is of: elsewhere it cannot be opened. What
// it is bound to does not change when records are copied.

#include "queue/records/sealed.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/files/payload_keys.h"

// Of an attempt. The payload of an event's own is in the event.
static const struct member attempt_parts[] = {
    MEMBER(struct attempt, request_headers),
    MEMBER(struct attempt, response_headers),
    MEMBER(struct attempt, response_body),
    MEMBER(struct attempt, payload),
};

static const struct member event_parts[] = {
    MEMBER(struct event, payload),
    MEMBER(struct event, cloud),
    MEMBER(struct event, trace),
};

static void put_event_context(const struct event *e, struct buf *out)
{
    buf_puts(out, "event ");
    buf_put(out, e->id.bytes, sizeof(e->id.bytes));
    buf_put(out, e->position.bytes, sizeof(e->position.bytes));
    buf_putc(out, (char)e->dialect);
    buf_put_str(out, e->org);
}

static void put_attempt_context(const struct attempt *a, struct buf *out)
{
    buf_puts(out, "attempt ");
    buf_put(out, a->event_id.bytes, sizeof(a->event_id.bytes));
    buf_put(out, a->position.bytes, sizeof(a->position.bytes));
    pack_u64(out, a->hook_id);
    pack_u64(out, a->org_id);
    pack_u64(out, a->attempt);
    pack_i64(out, a->started_at_us);
}

// Seals the plain text, clears it, and appends the sealed one to `room`.
static enum err seal(struct payload_keys *keys, struct str org,
                     struct str context, struct buf *plain, struct buf *room)
{
    enum err err = payload_seal(keys, org, context, buf_str(plain), room);

    buf_clear(plain);
    return err;
}

// ERR_NOTFOUND: there is no such key. ERR_DENIED: there is one that cannot be used now.
static enum err open_parts(struct payload_keys *keys, struct str context,
                           struct str sealed, struct buf *room)
{
    enum err err =
        keys != NULL ? payload_open(keys, context, sealed, room) : ERR_NOTFOUND;

    return err == OK || err == ERR_CORRUPT || err == ERR_NOTFOUND ? err
                                                                  : ERR_DENIED;
}

static enum err unpack_parts(struct str plain, const struct member *parts,
                             size_t n_parts, void *to)
{
    struct unpack u = unpack_of(plain);

    members_unpack(&u, parts, n_parts, 1, to);
    return unpack_done(&u);
}

// --- events ---

enum err event_seal(struct payload_keys *keys, struct event *e,
                    struct buf *room)
{
    struct buf context, plain;
    enum err err;

    buf_init(&context, 0);
    buf_init(&plain, 0);
    put_event_context(e, &context);
    members_pack(&plain, MEMBERS(event_parts), e);
    buf_reset(room);
    err = seal(keys, e->org, buf_str(&context), &plain, room);
    buf_clear(&context);
    if (err != OK)
        return err;
    e->payload = buf_str(room);
    e->cloud = STR_EMPTY;
    e->trace = STR_EMPTY;
    e->flags |= EVENT_PAYLOAD_SEALED;
    e->is_closed = true;
    e->n_sealed_bytes = e->payload.n_bytes;
    return OK;
}

enum err event_unseal(struct payload_keys *keys, struct event *e,
                      struct buf *room)
{
    struct buf context;
    enum err err;

    if (!e->is_closed)
        return OK;
    e->is_closed = false;
    buf_init(&context, 0);
    put_event_context(e, &context);
    buf_reset(room);
    err = open_parts(keys, buf_str(&context), e->payload, room);
    buf_clear(&context);
    e->payload = STR_EMPTY;
    e->cloud = STR_EMPTY;
    e->trace = STR_EMPTY;
    e->may_open = err == ERR_DENIED;
    e->is_locked = err == ERR_NOTFOUND || e->may_open;
    if (err == OK)
        err = unpack_parts(buf_str(room), MEMBERS(event_parts), e);
    return e->is_locked ? OK : err;
}

bool event_is_locked(struct payload_keys *keys, const struct event *e)
{
    return keys == NULL || payload_has_key(keys, e->payload) != OK;
}

// --- attempts ---

static void drop_parts(struct attempt *a)
{
    a->request_headers = STR_EMPTY;
    a->response_headers = STR_EMPTY;
    a->response_body = STR_EMPTY;
    a->payload = STR_EMPTY;
}

static bool has_parts(const struct attempt *a)
{
    return a->request_headers.n_bytes + a->response_headers.n_bytes +
               a->response_body.n_bytes + a->payload.n_bytes >
           0;
}

void attempt_seal(struct payload_keys *keys, struct str org, struct attempt *a,
                  struct buf *room)
{
    struct buf context, plain;

    buf_reset(room);
    if (!has_parts(a))
        return;
    buf_init(&context, 0);
    buf_init(&plain, 0);
    put_attempt_context(a, &context);
    members_pack(&plain, MEMBERS(attempt_parts), a);
    if (keys != NULL && seal(keys, org, buf_str(&context), &plain, room) == OK)
        a->sealed = buf_str(room);
    drop_parts(a);
    buf_clear(&plain);
    buf_clear(&context);
}

enum err attempt_unseal(struct payload_keys *keys, struct attempt *a,
                        struct buf *room)
{
    struct buf context;
    enum err err;

    a->is_locked = false;
    if (a->sealed.n_bytes == 0)
        return OK;
    buf_init(&context, 0);
    put_attempt_context(a, &context);
    buf_reset(room);
    err = open_parts(keys, buf_str(&context), a->sealed, room);
    buf_clear(&context);
    drop_parts(a);
    a->is_locked = err == ERR_NOTFOUND || err == ERR_DENIED;
    if (err == OK)
        err = unpack_parts(buf_str(room), MEMBERS(attempt_parts), a);
    return a->is_locked ? OK : err;
}
