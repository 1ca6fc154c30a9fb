// SPDX-License-Identifier: MIT
// hook_record.c — a hook's record to bytes and back; its secrets are sealed.
//
// One sealed text holds all secrets, bound to the hook's number: it opens in no
// other hook's record. Without keys it stays sealed, and the hook has no secrets.

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/files/keyring.h"
#include "queue/records/schema.h"

#define CONTEXT_BYTES 12

static struct str context_of(uint64_t no, uint8_t bytes[CONTEXT_BYTES])
{
    static const uint8_t label[CONTEXT_BYTES - 8] = { 'h', 'o', 'o', 'k' };

    memcpy(bytes, label, sizeof(label));
    put_be64(bytes + sizeof(label), no);
    return (struct str){ (const char *)bytes, CONTEXT_BYTES };
}

// --- writing ---

static void pack_list(struct buf *out, const struct str *list, size_t n)
{
    pack_array(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        pack_str(out, list[i]);
}

static void pack_policy(struct buf *out, const struct hook_policy *p)
{
    pack_str(out, p->retry_schedule);
    pack_i64(out, p->timeout_ms);
    pack_u64(out, p->max_inflight);
    pack_u64(out, p->rate_per_second);
    pack_u64(out, p->rate_burst);
    pack_bool(out, p->ordered);
    pack_str(out, p->order_key);
}

static void wipe(struct buf *b)
{
    if (b->at != NULL)
        crypto_wipe(b->at, b->room_bytes);
    buf_clear(b);
}

// The names of the headers are in the record unsealed.
static void pack_names(struct buf *out, const struct hook *h)
{
    pack_array(out, (uint32_t)(h->n_headers / 2));
    for (size_t i = 0; i + 1 < h->n_headers; i += 2)
        pack_str(out, h->headers[i]);
}

static void pack_plain(struct buf *plain, const struct hook *h)
{
    pack_str(plain, h->secret);
    pack_str(plain, h->client_key);
    pack_array(plain, (uint32_t)h->n_old);
    for (size_t i = 0; i < h->n_old; i++) {
        pack_str(plain, h->old[i].secret);
        pack_i64(plain, h->old[i].until_ms);
    }
    pack_array(plain, (uint32_t)(h->n_headers / 2));
    for (size_t i = 0; i + 1 < h->n_headers; i += 2)
        pack_str(plain, h->headers[i + 1]);
}

static void pack_sealed(struct buf *out, const struct hook *h,
                        struct keyring *keys)
{
    uint8_t context[CONTEXT_BYTES];
    struct buf plain;
    struct buf sealed;

    buf_init(&plain, 0);
    buf_init(&sealed, 0);
    if (h->secret.n_bytes + h->client_key.n_bytes + h->n_old + h->n_headers >
        0) {
        assert(keys != NULL); // the stores that write have them
        pack_plain(&plain, h);
        keyring_seal(keys, context_of(h->no, context), buf_str(&plain),
                     &sealed);
    }
    pack_str(out, buf_str(&sealed));
    wipe(&plain);
    buf_clear(&sealed);
}

void hook_encode(const struct hook *h, struct keyring *keys, struct buf *out)
{
    size_t start = record_begin(out, HOOK_VERSION);

    pack_u64(out, h->no);
    pack_u64(out, h->revision);
    pack_u64(out, h->scope.dialect);
    pack_u64(out, h->scope.level);
    pack_str(out, h->scope.org);
    pack_str(out, h->scope.project);
    pack_str(out, h->scope.target);
    pack_str(out, h->name);
    pack_str(out, h->display_name);
    pack_str(out, h->url);
    pack_u64(out, h->format);
    pack_bool(out, h->active);
    pack_u64(out, h->filters);
    pack_u64(out, h->groups);
    pack_list(out, h->kinds, h->n_kinds);
    pack_names(out, h);
    pack_policy(out, &h->policy);
    pack_sealed(out, h, keys);
    pack_str(out, h->client_cert);
    pack_u64(out, h->disabled);
    pack_i64(out, h->disabled_at_ms);
    pack_i64(out, h->created_at_ms);
    pack_i64(out, h->updated_at_ms);
    pack_bool(out, h->paused);
    pack_u64(out, position_number(h->from));
    pack_bool(out, h->is_operator);
    pack_u64(out, h->secret_headers);
    pack_str(out, h->filter_order);
    record_end(out, start);
}

// --- reading ---

void hook_room_init(struct hook_room *room)
{
    buf_init(&room->plain, 0);
}

void hook_room_clear(struct hook_room *room)
{
    wipe(&room->plain);
}

static size_t unpack_list(struct unpack *u, struct str *list)
{
    size_t n = unpack_array(u, HOOK_LIST_MAX);

    for (size_t i = 0; i < n; i++)
        list[i] = unpack_str(u);
    return n;
}

static void unpack_policy(struct unpack *u, struct hook_policy *p)
{
    p->retry_schedule = unpack_str(u);
    p->timeout_ms = unpack_i64(u);
    p->max_inflight = (uint32_t)unpack_u64(u);
    p->rate_per_second = (uint32_t)unpack_u64(u);
    p->rate_burst = (uint32_t)unpack_u64(u);
    p->ordered = unpack_bool(u);
    p->order_key = unpack_str(u);
}

// Up to version 3 the values were unsealed, beside the names.
static void unpack_headers(struct unpack *u, uint8_t version, struct hook *out)
{
    size_t n;

    if (version < 4) {
        out->n_headers = unpack_list(u, out->headers);
        return;
    }
    n = unpack_array(u, HOOK_LIST_MAX / 2);
    for (size_t i = 0; i < n; i++) {
        out->headers[2 * i] = unpack_str(u);
        out->headers[2 * i + 1] = STR_EMPTY;
    }
    out->n_headers = 2 * n;
}

// Versions up to 3 had one replaced secret, whose time was outside the sealed text.
static void unpack_plain_3(struct unpack *u, int64_t until_ms, struct hook *out)
{
    out->secret = unpack_str(u);
    out->old[0] = (struct old_secret){ unpack_str(u), until_ms };
    out->n_old = out->old[0].secret.n_bytes > 0;
    out->client_key = unpack_str(u);
}

static void unpack_plain(struct unpack *u, struct hook *out)
{
    size_t n;

    out->secret = unpack_str(u);
    out->client_key = unpack_str(u);
    n = unpack_array(u, OLD_SECRETS_MAX);
    for (size_t i = 0; i < n; i++) {
        out->old[i].secret = unpack_str(u);
        out->old[i].until_ms = unpack_i64(u);
    }
    out->n_old = n;
    n = unpack_array(u, HOOK_LIST_MAX / 2);
    if (2 * n != out->n_headers)
        u->bad = true;
    for (size_t i = 0; i < n && !u->bad; i++)
        out->headers[2 * i + 1] = unpack_str(u);
}

// The sealed text of a record, and until when the old secret of version 3 signs.
struct closed {
    struct str sealed;
    int64_t until_ms;
    uint8_t version;
};

static enum err unpack_sealed(const struct closed *closed, struct keyring *keys,
                              struct hook *out, struct hook_room *room)
{
    uint8_t context[CONTEXT_BYTES];
    struct unpack u;
    enum err err;

    if (closed->sealed.n_bytes == 0 || keys == NULL)
        return OK;
    buf_reset(&room->plain);
    err = keyring_open(keys, context_of(out->no, context), closed->sealed,
                       &room->plain);
    if (err != OK)
        return err;
    u = unpack_of(buf_str(&room->plain));
    if (closed->version < 4) {
        unpack_plain_3(&u, closed->until_ms, out);
    } else {
        unpack_plain(&u, out);
    }
    return unpack_done(&u);
}

static bool is_sound(const struct hook *h)
{
    return h->format >= FORMAT_RAW && h->format <= FORMAT_AKINON &&
           h->disabled <= HOOK_FAILING;
}

enum err hook_decode(uint32_t place, struct str bytes, struct keyring *keys,
                     struct hook *out, struct hook_room *room)
{
    struct closed closed = { .until_ms = 0 };
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, HOOK_VERSION, &version, &u);

    if (err != OK)
        return err;
    out->is_damaged = false;
    out->no = unpack_u64(&u);
    out->revision = unpack_u64(&u);
    out->scope.dialect = (enum dialect)unpack_u64(&u);
    out->scope.level = (enum hook_level)unpack_u64(&u);
    out->scope.org = unpack_str(&u);
    out->scope.project = unpack_str(&u);
    out->scope.target = unpack_str(&u);
    out->name = unpack_str(&u);
    out->display_name = unpack_str(&u);
    out->url = unpack_str(&u);
    out->format = (enum hook_format)unpack_u64(&u);
    out->active = unpack_bool(&u);
    out->filters = unpack_u64(&u);
    out->groups = unpack_u64(&u);
    out->kinds = room->strings;
    out->n_kinds = unpack_list(&u, out->kinds);
    out->headers = room->strings + HOOK_LIST_MAX;
    unpack_headers(&u, version, out);
    unpack_policy(&u, &out->policy);
    closed.version = version;
    closed.sealed = unpack_str(&u);
    out->client_cert = unpack_str(&u);
    if (version < 4)
        closed.until_ms = unpack_i64(&u);
    out->disabled = (enum hook_disabled)unpack_u64(&u);
    out->disabled_at_ms = unpack_i64(&u);
    out->created_at_ms = unpack_i64(&u);
    out->updated_at_ms = unpack_i64(&u);
    out->paused = version >= 2 && unpack_bool(&u);
    out->from = version >= 2 ? position_of(unpack_u64(&u)) : position_start;
    out->is_operator = version >= 3 && unpack_bool(&u);
    out->secret_headers = version >= 4 ? unpack_u64(&u) : 0;
    out->filter_order = version >= 5 ? unpack_str(&u) : STR_EMPTY;
    out->secret = STR_EMPTY;
    out->client_key = STR_EMPTY;
    out->old = room->old;
    out->n_old = 0;
    err = unpack_done(&u);
    if (err == OK && !is_sound(out))
        err = ERR_CORRUPT;
    return err == OK ? unpack_sealed(&closed, keys, out, room) : err;
}
