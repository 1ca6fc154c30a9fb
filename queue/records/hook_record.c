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
#include "common/model/signing_key.h"
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

#define HOOK(name) MEMBER(struct hook, name)

// The kinds and the names of the headers follow.
static const struct member hook_head[] = {
    HOOK(no),
    HOOK(revision),
    HOOK(scope.dialect),
    HOOK(scope.level),
    HOOK(scope.org),
    HOOK(scope.project),
    HOOK(scope.target),
    HOOK(name),
    HOOK(display_name),
    HOOK(url),
    MEMBER_MAX(struct hook, format, FORMAT_CLOUDEVENTS),
    HOOK(active),
    HOOK(filters),
    HOOK(groups),
};
// The sealed text and the certificate follow.
static const struct member hook_policy[] = {
    HOOK(policy.retry_schedule), HOOK(policy.timeout_ms),
    HOOK(policy.max_inflight),   HOOK(policy.rate_per_second),
    HOOK(policy.rate_burst),     HOOK(policy.ordered),
    HOOK(policy.order_key),
};
static const struct member hook_tail[] = {
    MEMBER_MAX(struct hook, disabled, HOOK_FAILING),
    HOOK(disabled_at_ms),
    HOOK(created_at_ms),
    HOOK(updated_at_ms),
    MEMBER_SINCE(struct hook, paused, 2),
    MEMBER_NUMBER(struct hook, from.bytes, 2),
    MEMBER_SINCE(struct hook, is_operator, 3),
    MEMBER_SINCE(struct hook, secret_headers, 4),
    MEMBER_SINCE(struct hook, filter_order, 5),
    MEMBER_SINCE(struct hook, lower_headers, 6),
    MEMBER_SINCE(struct hook, secret_at_ms, 7),
    MEMBER_SINCE(struct hook, pattern, 8),
    MEMBER_SINCE(struct hook, trace_context, 9),
    MEMBER_WITH(struct hook, signing, 10, SIGNING_ORGANIZATION),
    MEMBER_SINCE(struct hook, handshake.is_wanted, 11),
    MEMBER_WITH(struct hook, handshake.answer, 11, HANDSHAKE_FAILED),
    MEMBER_SINCE(struct hook, handshake.rate_per_minute, 11),
    MEMBER_SINCE(struct hook, handshake.url_sha256, 11),
    MEMBER_SINCE(struct hook, handshake.origin, 11),
    MEMBER_SINCE(struct hook, handshake.reason, 11),
    MEMBER_SINCE(struct hook, handshake.at_ms, 11),
};

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
    pack_str(plain, h->sign_key);
    for (size_t i = 0; i < h->n_old; i++)
        pack_u64(plain, h->old[i].kind);
}

static void pack_sealed(struct buf *out, const struct hook *h,
                        struct keyring *keys)
{
    uint8_t context[CONTEXT_BYTES];
    struct buf plain;
    struct buf sealed;

    buf_init(&plain, 0);
    buf_init(&sealed, 0);
    if (h->secret.n_bytes + h->client_key.n_bytes + h->n_old + h->n_headers +
            h->sign_key.n_bytes >
        0) {
        assert(keys != NULL); // the stores that write have them
        pack_plain(&plain, h);
        keyring_seal(keys, context_of(h->no, context), buf_str(&plain),
                     &sealed);
    }
    pack_str(out, buf_str(&sealed));
    crypto_wipe_buf(&plain);
    buf_clear(&sealed);
}

void hook_encode(const struct hook *h, struct keyring *keys, struct buf *out)
{
    size_t start = record_begin(out, HOOK_VERSION);

    members_pack(out, MEMBERS(hook_head), h);
    pack_list(out, h->kinds, h->n_kinds);
    pack_names(out, h);
    members_pack(out, MEMBERS(hook_policy), h);
    pack_sealed(out, h, keys);
    pack_str(out, h->client_cert);
    members_pack(out, MEMBERS(hook_tail), h);
    record_end(out, start);
}

// --- reading ---

void hook_room_init(struct hook_room *room)
{
    buf_init(&room->plain, 0);
}

void hook_room_clear(struct hook_room *room)
{
    crypto_wipe_buf(&room->plain);
}

static size_t unpack_list(struct unpack *u, struct str *list)
{
    size_t n = unpack_array(u, HOOK_LIST_MAX);

    for (size_t i = 0; i < n; i++)
        list[i] = unpack_str(u);
    return n;
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
    out->old[0] = (struct old_secret){ unpack_str(u), until_ms, OLD_SECRET };
    out->n_old = out->old[0].secret.n_bytes > 0;
    out->client_key = unpack_str(u);
}

// Since version 10.
static void unpack_signing(struct unpack *u, struct hook *out)
{
    out->sign_key = unpack_str(u);
    for (size_t i = 0; i < out->n_old; i++) {
        uint64_t kind = unpack_u64(u);

        if (kind > OLD_ORGANIZATION ||
            (kind == OLD_SIGNING_KEY &&
             out->old[i].secret.n_bytes != SIGNING_PAIR_BYTES))
            u->bad = true;
        out->old[i].kind = (enum old_secret_kind)kind;
    }
}

static void unpack_plain(struct unpack *u, uint8_t version, struct hook *out)
{
    size_t n;

    out->secret = unpack_str(u);
    out->client_key = unpack_str(u);
    n = unpack_array(u, OLD_SECRETS_MAX);
    for (size_t i = 0; i < n; i++) {
        out->old[i].secret = unpack_str(u);
        out->old[i].until_ms = unpack_i64(u);
        out->old[i].kind = OLD_SECRET;
    }
    out->n_old = n;
    n = unpack_array(u, HOOK_LIST_MAX / 2);
    if (2 * n != out->n_headers)
        u->bad = true;
    for (size_t i = 0; i < n && !u->bad; i++)
        out->headers[2 * i + 1] = unpack_str(u);
    if (version >= 10)
        unpack_signing(u, out);
}

// The sealed text of a record, and until when the old secret of version 3 signs.
struct closed {
    struct str sealed;
    int64_t until_ms;
    uint8_t version;
};

// Whether a hook that was opened has a signing key of its own exactly if it says so.
static bool has_its_key(const struct hook *h)
{
    return h->sign_key.n_bytes ==
           (h->signing == SIGNING_OWN ? SIGNING_PAIR_BYTES : 0);
}

static enum err unpack_sealed(const struct closed *closed, struct keyring *keys,
                              struct hook *out, struct hook_room *room)
{
    uint8_t context[CONTEXT_BYTES];
    struct unpack u;
    enum err err;

    if (keys == NULL)
        return OK;
    if (closed->sealed.n_bytes == 0)
        return has_its_key(out) ? OK : ERR_CORRUPT;
    buf_reset(&room->plain);
    err = keyring_open(keys, context_of(out->no, context), closed->sealed,
                       &room->plain);
    if (err != OK)
        return err;
    u = unpack_of(buf_str(&room->plain));
    if (closed->version < 4) {
        unpack_plain_3(&u, closed->until_ms, out);
    } else {
        unpack_plain(&u, closed->version, out);
    }
    if (!has_its_key(out))
        u.bad = true;
    return unpack_done(&u);
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
    out->awaits_handshake = false;
    members_unpack(&u, MEMBERS(hook_head), version, out);
    out->kinds = room->strings;
    out->n_kinds = unpack_list(&u, out->kinds);
    out->headers = room->strings + HOOK_LIST_MAX;
    unpack_headers(&u, version, out);
    members_unpack(&u, MEMBERS(hook_policy), version, out);
    closed.version = version;
    closed.sealed = unpack_str(&u);
    out->client_cert = unpack_str(&u);
    if (version < 4)
        closed.until_ms = unpack_i64(&u);
    members_unpack(&u, MEMBERS(hook_tail), version, out);
    out->secret = STR_EMPTY;
    out->client_key = STR_EMPTY;
    out->sign_key = STR_EMPTY;
    out->old = room->old;
    out->n_old = 0;
    err = unpack_done(&u);
    if (err == OK && out->format < FORMAT_RAW)
        err = ERR_CORRUPT;
    return err == OK ? unpack_sealed(&closed, keys, out, room) : err;
}
