// hook_record.c — a hook's record to bytes and back; its secrets are sealed.
//
// One sealed text holds all of them, bound to the hook's number: it opens in no
// other hook's record. Without keys it stays closed, and the hook has none.

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/crypto.h"
#include "common/keyring.h"
#include "common/mem.h"
#include "queue/schema.h"

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

static void pack_secrets(struct buf *out, const struct hook *h,
                         struct keyring *keys)
{
    uint8_t context[CONTEXT_BYTES];
    struct buf plain;
    struct buf sealed;

    buf_init(&plain, 0);
    buf_init(&sealed, 0);
    if (h->secret.n_bytes + h->old_secret.n_bytes + h->client_key.n_bytes > 0) {
        assert(keys != NULL); // the stores that write have them
        pack_str(&plain, h->secret);
        pack_str(&plain, h->old_secret);
        pack_str(&plain, h->client_key);
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
    pack_u64(out, h->scope.family);
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
    pack_list(out, h->headers, h->n_headers);
    pack_policy(out, &h->policy);
    pack_secrets(out, h, keys);
    pack_str(out, h->client_cert);
    pack_i64(out, h->old_secret_until_ms);
    pack_u64(out, h->disabled);
    pack_i64(out, h->disabled_at_ms);
    pack_i64(out, h->created_at_ms);
    pack_i64(out, h->updated_at_ms);
    pack_bool(out, h->paused);
    pack_u64(out, position_number(h->from));
    pack_bool(out, h->is_operator);
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

static enum err unpack_secrets(struct str sealed, struct keyring *keys,
                               struct hook *out, struct hook_room *room)
{
    uint8_t context[CONTEXT_BYTES];
    struct unpack u;
    enum err err;

    out->secret = STR_EMPTY;
    out->old_secret = STR_EMPTY;
    out->client_key = STR_EMPTY;
    if (sealed.n_bytes == 0 || keys == NULL)
        return OK;
    buf_reset(&room->plain);
    err =
        keyring_open(keys, context_of(out->no, context), sealed, &room->plain);
    if (err != OK)
        return err;
    u = unpack_of(buf_str(&room->plain));
    out->secret = unpack_str(&u);
    out->old_secret = unpack_str(&u);
    out->client_key = unpack_str(&u);
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
    struct str sealed;
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, HOOK_VERSION, &version, &u);

    if (err != OK)
        return err;
    out->is_damaged = false;
    out->no = unpack_u64(&u);
    out->revision = unpack_u64(&u);
    out->scope.family = (enum family)unpack_u64(&u);
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
    out->n_headers = unpack_list(&u, out->headers);
    unpack_policy(&u, &out->policy);
    sealed = unpack_str(&u);
    out->client_cert = unpack_str(&u);
    out->old_secret_until_ms = unpack_i64(&u);
    out->disabled = (enum hook_disabled)unpack_u64(&u);
    out->disabled_at_ms = unpack_i64(&u);
    out->created_at_ms = unpack_i64(&u);
    out->updated_at_ms = unpack_i64(&u);
    out->paused = version >= 2 && unpack_bool(&u);
    out->from = version >= 2 ? position_of(unpack_u64(&u)) : position_start;
    out->is_operator = version >= 3 && unpack_bool(&u);
    err = unpack_done(&u);
    if (err == OK && !is_sound(out))
        err = ERR_CORRUPT;
    return err == OK ? unpack_secrets(sealed, keys, out, room) : err;
}

// --- a copy in one piece ---

static struct str copy_str(struct str s, char **to)
{
    char *at = *to;

    if (s.n_bytes > 0)
        memcpy(at, s.at, s.n_bytes);
    *to += s.n_bytes;
    return (struct str){ at, s.n_bytes };
}

static size_t list_bytes(const struct str *list, size_t n)
{
    size_t n_bytes = n * sizeof(*list);

    for (size_t i = 0; i < n; i++)
        n_bytes += list[i].n_bytes;
    return n_bytes;
}

static struct str *copy_list(const struct str *list, size_t n,
                             struct str **array, char **text)
{
    struct str *copy = *array;

    for (size_t i = 0; i < n; i++)
        copy[i] = copy_str(list[i], text);
    *array += n;
    return copy;
}

#define HOOK_TEXTS 12

// All but the lists.
static void texts_of(struct hook *h, struct str *texts[HOOK_TEXTS])
{
    struct str *all[HOOK_TEXTS] = {
        &h->scope.org,
        &h->scope.project,
        &h->scope.target,
        &h->name,
        &h->display_name,
        &h->url,
        &h->secret,
        &h->old_secret,
        &h->client_cert,
        &h->client_key,
        &h->policy.retry_schedule,
        &h->policy.order_key,
    };

    memcpy(texts, all, sizeof(all));
}

struct hook *hook_copy(const struct hook *h)
{
    struct hook draft = *h;
    struct str *texts[HOOK_TEXTS];
    struct hook *copy;
    struct str *array;
    char *text;
    size_t n_bytes = sizeof(*h) + list_bytes(h->kinds, h->n_kinds) +
                     list_bytes(h->headers, h->n_headers);

    texts_of(&draft, texts);
    for (size_t i = 0; i < HOOK_TEXTS; i++)
        n_bytes += texts[i]->n_bytes;
    copy = xmalloc(n_bytes);
    array = (struct str *)(void *)(copy + 1);
    text = (char *)(array + h->n_kinds + h->n_headers);
    *copy = *h;
    copy->kinds = copy_list(h->kinds, h->n_kinds, &array, &text);
    copy->headers = copy_list(h->headers, h->n_headers, &array, &text);
    texts_of(copy, texts);
    for (size_t i = 0; i < HOOK_TEXTS; i++)
        *texts[i] = copy_str(*texts[i], &text);
    return copy;
}

static void wipe_str(struct str s)
{
    // What it points to lies in the copy, which is ours.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): takes the const away
    crypto_wipe((void *)(uintptr_t)s.at, s.n_bytes);
}

void hook_free(struct hook *h)
{
    if (h == NULL)
        return;
    wipe_str(h->secret);
    wipe_str(h->old_secret);
    wipe_str(h->client_key);
    free(h);
}
