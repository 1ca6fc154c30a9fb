// SPDX-License-Identifier: MIT
// codec.c — msgpack records and frames.

#include "common/base/codec.h"

#include <endian.h>
#include <stdatomic.h>
#include <string.h>

#include "common/base/random.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHECK_BYTES 4

// --- big-endian numbers of 1, 2, 4 and 8 bytes ---

static inline void store_be(uint8_t *to, uint64_t number, size_t n_bytes)
{
    const uint64_t bytes = htobe64(number);

    memcpy(to, (const uint8_t *)&bytes + sizeof(bytes) - n_bytes, n_bytes);
}

static inline uint64_t load_be(const uint8_t *at, size_t n_bytes)
{
    uint64_t bytes = 0;

    memcpy((uint8_t *)&bytes + sizeof(bytes) - n_bytes, at, n_bytes);
    return be64toh(bytes);
}

// --- writing a value ---

// Appends a tag and the last `n_bytes` bytes of the number.
static inline void put_tagged(struct buf *b, uint8_t tag, uint64_t number,
                              size_t n_bytes)
{
    bool has_room = b->cap_bytes == 0 && !b->overflow &&
                    b->room_bytes - b->n_bytes > n_bytes;
    uint8_t *to = has_room ? (uint8_t *)b->at + b->n_bytes
                           : (uint8_t *)buf_reserve(b, 1 + n_bytes);

    if (to == NULL)
        return;
    to[0] = tag;
    store_be(to + 1, number, n_bytes);
    b->n_bytes += 1 + n_bytes;
}

void pack_u64(struct buf *b, uint64_t number)
{
    if (number < 0x80) {
        put_tagged(b, (uint8_t)number, 0, 0);
    } else if (number <= UINT8_MAX) {
        put_tagged(b, 0xcc, number, 1);
    } else if (number <= UINT16_MAX) {
        put_tagged(b, 0xcd, number, 2);
    } else if (number <= UINT32_MAX) {
        put_tagged(b, 0xce, number, 4);
    } else {
        put_tagged(b, 0xcf, number, 8);
    }
}

void pack_i64(struct buf *b, int64_t number)
{
    if (number >= 0) {
        pack_u64(b, (uint64_t)number);
    } else if (number >= -32) {
        put_tagged(b, (uint8_t)number, 0, 0);
    } else if (number >= INT8_MIN) {
        put_tagged(b, 0xd0, (uint64_t)number, 1);
    } else if (number >= INT16_MIN) {
        put_tagged(b, 0xd1, (uint64_t)number, 2);
    } else if (number >= INT32_MIN) {
        put_tagged(b, 0xd2, (uint64_t)number, 4);
    } else {
        put_tagged(b, 0xd3, (uint64_t)number, 8);
    }
}

void pack_bool(struct buf *b, bool yes)
{
    put_tagged(b, yes ? 0xc3 : 0xc2, 0, 0);
}

void pack_str(struct buf *b, struct str text)
{
    if (text.n_bytes <= UINT8_MAX) {
        put_tagged(b, 0xc4, text.n_bytes, 1);
    } else if (text.n_bytes <= UINT16_MAX) {
        put_tagged(b, 0xc5, text.n_bytes, 2);
    } else {
        put_tagged(b, 0xc6, text.n_bytes, 4);
    }
    buf_put(b, text.at, text.n_bytes);
}

// --- reading a value ---

// The next `n_bytes` bytes. If fewer are left: NULL, and the input counts as bad.
static inline const uint8_t *take(struct unpack *u, size_t n_bytes)
{
    const uint8_t *at = u->at;

    if (u->bad || (size_t)(u->end - u->at) < n_bytes) {
        u->bad = true;
        return NULL;
    }
    u->at += n_bytes;
    return at;
}

static inline uint64_t take_be(struct unpack *u, size_t n_bytes)
{
    const uint8_t *at = take(u, n_bytes);

    return at != NULL ? load_be(at, n_bytes) : 0;
}

static inline uint8_t take_tag(struct unpack *u)
{
    if (u->bad || u->at == u->end) {
        u->bad = true;
        return 0;
    }
    return *u->at++;
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

// --- values ---

void pack_array(struct buf *b, uint32_t n)
{
    if (n < 16) {
        put_tagged(b, (uint8_t)(0x90 | n), 0, 0);
    } else if (n <= UINT16_MAX) {
        put_tagged(b, 0xdc, n, 2);
    } else {
        put_tagged(b, 0xdd, n, 4);
    }
}

// --- records ---

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

// --- reading ---

struct unpack unpack_of(struct str bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.at;

    if (bytes.n_bytes == 0) // `at` may be NULL for empty bytes
        return (struct unpack){ 0 };
    return (struct unpack){ .at = at, .end = at + bytes.n_bytes };
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

// --- structs by tables ---

void members_pack(struct buf *b, const struct member *members, size_t n,
                  const void *from)
{
    for (size_t i = 0; i < n; i++) {
        const struct member *m = &members[i];
        const void *at = (const char *)from + m->offset;

        switch ((enum value_type)m->type) {
        case VALUE_U8:
            pack_u64(b, *(const uint8_t *)at);
            break;
        case VALUE_U16:
            pack_u64(b, *(const uint16_t *)at);
            break;
        case VALUE_U32:
            pack_u64(b, *(const uint32_t *)at);
            break;
        case VALUE_U64:
            pack_u64(b, *(const uint64_t *)at);
            break;
        case VALUE_I64:
            pack_i64(b, *(const int64_t *)at);
            break;
        case VALUE_BOOL:
            pack_bool(b, *(const bool *)at);
            break;
        case VALUE_STR:
            pack_str(b, *(const struct str *)at);
            break;
        case VALUE_BYTES:
            pack_str(b, (struct str){ at, m->max });
            break;
        case VALUE_BE64:
            pack_u64(b, get_be64(at));
            break;
        }
    }
}

static void clear(const struct member *m, void *at)
{
    static const size_t n_bytes[] = {
        [VALUE_U8] = 1,
        [VALUE_U16] = 2,
        [VALUE_U32] = 4,
        [VALUE_U64] = 8,
        [VALUE_I64] = 8,
        [VALUE_BOOL] = sizeof(bool),
        [VALUE_STR] = sizeof(struct str),
        [VALUE_BE64] = 8,
    };

    memset(at, 0, m->type == VALUE_BYTES ? m->max : n_bytes[m->type]);
}

// A number that fits into the member.
static uint32_t unpack_max(struct unpack *u, uint32_t max)
{
    uint64_t number = unpack_u64(u);

    if (number > max)
        u->bad = true;
    return number > max ? 0 : (uint32_t)number;
}

static void unpack_bytes(struct unpack *u, void *to, size_t n_bytes)
{
    struct str bytes = unpack_str(u);

    if (bytes.at != NULL && bytes.n_bytes == n_bytes) {
        memcpy(to, bytes.at, n_bytes);
    } else {
        u->bad = true;
        memset(to, 0, n_bytes);
    }
}

void members_unpack(struct unpack *u, const struct member *members, size_t n,
                    uint8_t version, void *to)
{
    for (size_t i = 0; i < n; i++) {
        const struct member *m = &members[i];
        void *at = (char *)to + m->offset;

        if (m->since > version) {
            clear(m, at);
            continue;
        }
        switch ((enum value_type)m->type) {
        case VALUE_U8:
            *(uint8_t *)at = (uint8_t)unpack_max(u, m->max);
            break;
        case VALUE_U16:
            *(uint16_t *)at = (uint16_t)unpack_max(u, m->max);
            break;
        case VALUE_U32:
            *(uint32_t *)at = unpack_max(u, m->max);
            break;
        case VALUE_U64:
            *(uint64_t *)at = unpack_u64(u);
            break;
        case VALUE_I64:
            *(int64_t *)at = unpack_i64(u);
            break;
        case VALUE_BOOL:
            *(bool *)at = unpack_bool(u);
            break;
        case VALUE_STR:
            *(struct str *)at = unpack_str(u);
            break;
        case VALUE_BYTES:
            unpack_bytes(u, at, m->max);
            break;
        case VALUE_BE64:
            put_be64(at, unpack_u64(u));
            break;
        }
    }
}

void record_pack(struct buf *b, uint8_t version, const struct member *members,
                 size_t n, const void *from)
{
    size_t start = record_begin(b, version);

    members_pack(b, members, n, from);
    record_end(b, start);
}

enum err record_unpack(uint32_t place, struct str bytes, uint8_t max_version,
                       const struct member *members, size_t n, void *to)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, max_version, &version, &u);

    if (err != OK)
        return err;
    members_unpack(&u, members, n, version, to);
    return unpack_done(&u);
}

void frame_pack(struct buf *b, uint64_t type, const struct member *members,
                size_t n, const void *from)
{
    pack_u64(b, type);
    members_pack(b, members, n, from);
}

enum err frame_unpack(struct str frame, uint64_t type,
                      const struct member *members, size_t n, void *to)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != type)
        return ERR_CORRUPT;
    members_unpack(&u, members, n, 1, to);
    return unpack_done(&u);
}

// --- hashes and keys ---

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
