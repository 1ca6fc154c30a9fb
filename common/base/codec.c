// SPDX-License-Identifier: MIT
// codec.c — msgpack records and frames.

#include "common/base/codec.h"

#include <assert.h>
#include <msgpack.h>
#include <stdatomic.h>

#include "common/base/random.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHECK_BYTES 4

static int on_packed(void *data, const char *bytes, size_t n_bytes)
{
    buf_put(data, bytes, n_bytes);
    return 0;
}

static msgpack_packer packer_of(struct buf *b)
{
    return (msgpack_packer){ .data = b, .callback = on_packed };
}

void pack_u64(struct buf *b, uint64_t number)
{
    msgpack_packer p = packer_of(b);

    msgpack_pack_uint64(&p, number);
}

void pack_i64(struct buf *b, int64_t number)
{
    msgpack_packer p = packer_of(b);

    msgpack_pack_int64(&p, number);
}

void pack_bool(struct buf *b, bool yes)
{
    msgpack_packer p = packer_of(b);

    if (yes) {
        msgpack_pack_true(&p);
    } else {
        msgpack_pack_false(&p);
    }
}

void pack_str(struct buf *b, struct str text)
{
    msgpack_packer p = packer_of(b);

    msgpack_pack_bin(&p, text.n_bytes);
    buf_put(b, text.at, text.n_bytes);
}

void pack_array(struct buf *b, uint32_t n)
{
    msgpack_packer p = packer_of(b);

    msgpack_pack_array(&p, n);
}

static uint32_t checksum(const void *bytes, size_t n_bytes)
{
    return (uint32_t)XXH3_64bits(bytes, n_bytes);
}

size_t record_begin(struct buf *b, uint8_t version)
{
    size_t start = b->n_bytes;

    buf_put(b, &version, 1);
    return start;
}

void record_end(struct buf *b, size_t start)
{
    uint32_t check;
    uint8_t bytes[CHECK_BYTES];

    if (b->overflow)
        return;
    check = checksum(b->at + start, b->n_bytes - start);
    for (size_t i = 0; i < CHECK_BYTES; i++)
        bytes[i] = (uint8_t)(check >> (8 * i));
    buf_put(b, bytes, sizeof(bytes));
}

uint32_t record_place(uint64_t table, struct str key)
{
    uint32_t place = (uint32_t)XXH3_64bits_withSeed(key.at, key.n_bytes, table);

    return place != RECORD_NOWHERE ? place : 1;
}

void record_move(void *record, size_t n_bytes, uint32_t place)
{
    uint8_t *check = (uint8_t *)record + n_bytes - CHECK_BYTES;

    for (size_t i = 0; n_bytes >= CHECK_BYTES && i < CHECK_BYTES; i++)
        check[i] ^= (uint8_t)(place >> (8 * i));
}

struct unpack unpack_of(struct str bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.at;

    if (bytes.n_bytes == 0) // `at` may be NULL for empty bytes
        return (struct unpack){ 0 };
    return (struct unpack){ .at = at, .end = at + bytes.n_bytes };
}

static const uint8_t *take(struct unpack *u, size_t n_bytes)
{
    const uint8_t *at = u->at;

    if (u->bad || (size_t)(u->end - u->at) < n_bytes) {
        u->bad = true;
        return NULL;
    }
    u->at += n_bytes;
    return at;
}

static uint64_t take_be(struct unpack *u, size_t n_bytes)
{
    const uint8_t *at = take(u, n_bytes);
    uint64_t number = 0;

    for (size_t i = 0; at != NULL && i < n_bytes; i++)
        number = number << 8 | at[i];
    return number;
}

static uint8_t take_tag(struct unpack *u)
{
    return (uint8_t)take_be(u, 1);
}

uint64_t unpack_u64(struct unpack *u)
{
    uint8_t tag = take_tag(u);

    if (tag < 0x80)
        return tag;
    switch (tag) {
    case 0xcc:
        return take_be(u, 1);
    case 0xcd:
        return take_be(u, 2);
    case 0xce:
        return take_be(u, 4);
    case 0xcf:
        return take_be(u, 8);
    default:
        u->bad = true;
        return 0;
    }
}

int64_t unpack_i64(struct unpack *u)
{
    uint8_t tag = u->at < u->end ? *u->at : 0;
    uint64_t number;

    if (tag >= 0xe0) {
        take_tag(u);
        return u->bad ? 0 : (int64_t)(int8_t)tag;
    }
    if (tag >= 0xd0 && tag <= 0xd3) {
        size_t n_bytes = (size_t)1 << (tag - 0xd0);
        unsigned shift = 64 - 8 * (unsigned)n_bytes;

        take_tag(u);
        number = take_be(u, n_bytes) << shift;
        return (int64_t)number >> shift; // sign extension, as gcc and clang do
    }
    number = unpack_u64(u);
    if (number > INT64_MAX) {
        u->bad = true;
        return 0;
    }
    return (int64_t)number;
}

bool unpack_bool(struct unpack *u)
{
    uint8_t tag = take_tag(u);

    if (tag != 0xc2 && tag != 0xc3)
        u->bad = true;
    return !u->bad && tag == 0xc3;
}

struct str unpack_str(struct unpack *u)
{
    uint8_t tag = take_tag(u);
    size_t n_bytes = 0;
    const uint8_t *at;

    if (tag == 0xc4) {
        n_bytes = take_be(u, 1);
    } else if (tag == 0xc5) {
        n_bytes = take_be(u, 2);
    } else if (tag == 0xc6) {
        n_bytes = take_be(u, 4);
    } else {
        u->bad = true;
    }
    at = take(u, n_bytes);
    if (at == NULL)
        return STR_EMPTY;
    return (struct str){ (const char *)at, n_bytes };
}

uint32_t unpack_array(struct unpack *u, uint32_t max)
{
    uint8_t tag = take_tag(u);
    uint64_t n = 0;

    if ((tag & 0xf0) == 0x90) {
        n = tag & 0x0f;
    } else if (tag == 0xdc) {
        n = take_be(u, 2);
    } else if (tag == 0xdd) {
        n = take_be(u, 4);
    } else {
        u->bad = true;
    }
    if (n > max)
        u->bad = true;
    return u->bad ? 0 : (uint32_t)n;
}

enum err unpack_done(const struct unpack *u)
{
    return u->bad || u->at != u->end ? ERR_CORRUPT : OK;
}

enum err record_open(uint32_t place, struct str bytes, uint8_t max_version,
                     uint8_t *version, struct unpack *u)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    size_t n_bytes;
    uint32_t check;

    if (bytes.n_bytes < 1 + CHECK_BYTES)
        return ERR_CORRUPT;
    n_bytes = bytes.n_bytes - CHECK_BYTES;
    check = checksum(at, n_bytes) ^ place;
    for (size_t i = 0; i < CHECK_BYTES; i++) {
        if (at[n_bytes + i] != (uint8_t)(check >> (8 * i)))
            return ERR_CORRUPT;
    }
    if (at[0] == 0 || at[0] > max_version)
        return ERR_CORRUPT;
    *version = at[0];
    *u = (struct unpack){ .at = at + 1, .end = at + n_bytes };
    return OK;
}

uint64_t hash64(struct str bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.at, bytes.n_bytes, seed);
}

uint64_t hash_here(struct str bytes, uint64_t seed)
{
    static _Atomic uint64_t own;
    uint64_t none = 0;
    uint64_t made;

    if (atomic_load(&own) == 0) {
        crypto_random(&made, sizeof(made));
        atomic_compare_exchange_strong(&own, &none, made | 1);
    }
    return hash64(bytes, seed ^ atomic_load(&own));
}

void hash128(struct str bytes, uint8_t out[16])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.at, bytes.n_bytes));
    memcpy(out, canonical.digest, sizeof(canonical.digest));
}

void put_be64(uint8_t to[8], uint64_t number)
{
    for (size_t i = 0; i < 8; i++)
        to[i] = (uint8_t)(number >> (56 - 8 * i));
}

uint64_t get_be64(const uint8_t from[8])
{
    uint64_t number = 0;

    for (size_t i = 0; i < 8; i++)
        number = number << 8 | from[i];
    return number;
}
