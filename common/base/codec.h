// SPDX-License-Identifier: MIT
// codec.h — records on disk and frames between processes: msgpack, versioned,
// checked.
//
// Reading is a cursor that never allocates and never trusts a length: what is read
// may come from a damaged disk or from a process that faces hostile bytes. Writing
// uses the shortest form of each number and length.
//
// A record on disk is: version byte, msgpack values, 4 bytes of XXH3-64 over both.
// The checksum also covers the place where the record lies: a record that is found
// elsewhere counts as damaged.
// A frame between processes is msgpack values only (channel.h adds the length).

#ifndef COMMON_BASE_CODEC_H
#define COMMON_BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

// --- writing: each appends one msgpack value to the buffer ---

void pack_u64(struct buf *b, uint64_t number);
void pack_i64(struct buf *b, int64_t number);
void pack_bool(struct buf *b, bool yes);
void pack_str(struct buf *b, struct str text); // as msgpack bin: any bytes
void pack_array(struct buf *b, uint32_t n);    // n values follow

// A record: begin, values, end. `begin` returns where the record starts.
size_t record_begin(struct buf *b, uint8_t version);
void record_end(struct buf *b, size_t start);

// Where a record lies, in 32 bits: a `place` stands for a table of an environment
// (store_place() computes it). RECORD_NOWHERE: not on disk (yet); record_end()
// makes such records.
#define RECORD_NOWHERE UINT32_C(0)
uint32_t record_place(uint64_t table, struct str key);
// Changes the checksum of a whole record from nowhere to `place`, or back.
void record_move(void *record, size_t n_bytes, uint32_t place);

// --- reading ---

// A cursor over borrowed bytes. The first fault sets `bad` and makes every
// later get return zero or empty: read all, then check unpack_done() once.
struct unpack {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

struct unpack unpack_of(struct str bytes);

uint64_t unpack_u64(struct unpack *u);
int64_t unpack_i64(struct unpack *u);
bool unpack_bool(struct unpack *u);
struct str unpack_str(struct unpack *u); // borrowed from the input

// The number of values that follow. More than `max`, the most that the caller
// accepts, is a fault.
uint32_t unpack_array(struct unpack *u, uint32_t max);

// ERR_CORRUPT: a get failed, or bytes are left over.
MUST_CHECK enum err unpack_done(const struct unpack *u);

// Checks a record's checksum, which covers its place, and its version
// (1..`max_version`), then opens the record. ERR_CORRUPT: too short, wrong
// checksum, a record of another place, or an unknown version.
MUST_CHECK enum err record_open(uint32_t place, struct str bytes,
                                uint8_t max_version, uint8_t *version,
                                struct unpack *u);

// --- structs by tables ---
//
// A table lists the members of a struct in the order of their values, once for writing
// and for reading.

enum value_type {
    VALUE_U8,
    VALUE_U16,
    VALUE_U32, // also an enum
    VALUE_U64,
    VALUE_I64,
    VALUE_BOOL,
    VALUE_STR,
    VALUE_BYTES, // uint8_t[max]: as bytes of exactly this length
    VALUE_BE64   // uint8_t[8]: as the big-endian number that it holds
};

struct member {
    uint16_t offset;
    uint8_t type; // enum value_type
    uint8_t
        since; // the record's version that brought it; below, it is zero or empty
    uint32_t max; // of a number up to 32 bits: a larger one is a fault
};

// The type of a value follows from the type of the member.
// clang-format off
#define MEMBER_WITH(of, name, version, most)                               \
    { offsetof(of, name),                                                  \
      _Generic(((of *)0)->name,                                            \
               bool: VALUE_BOOL, uint8_t: VALUE_U8, uint16_t: VALUE_U16,   \
               unsigned: VALUE_U32, uint64_t: VALUE_U64,                   \
               int64_t: VALUE_I64, struct str: VALUE_STR,                  \
               uint8_t *: VALUE_BYTES),                                    \
      (version), (most) }
#define MEMBER_MOST(of, name)                                              \
    _Generic(((of *)0)->name,                                              \
             uint8_t: UINT8_MAX, uint16_t: UINT16_MAX,                     \
             uint8_t *: sizeof(((of *)0)->name), default: UINT32_MAX)

#define MEMBER(of, name) MEMBER_WITH(of, name, 1, MEMBER_MOST(of, name))
#define MEMBER_SINCE(of, name, version) \
    MEMBER_WITH(of, name, version, MEMBER_MOST(of, name))
#define MEMBER_MAX(of, name, most) MEMBER_WITH(of, name, 1, most)
// uint8_t[8], as a number.
#define MEMBER_NUMBER(of, name, version)                                   \
    { offsetof(of, name), VALUE_BE64, (version),                           \
      _Generic(&((of *)0)->name, uint8_t (*)[8]: 8) }
// clang-format on

#define MEMBERS(table) (table), sizeof(table) / sizeof((table)[0])

// Appends the values of the members.
void members_pack(struct buf *b, const struct member *members, size_t n,
                  const void *from);

// Sets the members from the values that follow; strings are borrowed from the input.
// A value that is missing, has another type or does not fit is a fault, and
// the member is zero or empty.
void members_unpack(struct unpack *u, const struct member *members, size_t n,
                    uint8_t version, void *to);

// A whole record of these members, and what reads one, like record_open().
void record_pack(struct buf *b, uint8_t version, const struct member *members,
                 size_t n, const void *from);
MUST_CHECK enum err record_unpack(uint32_t place, struct str bytes,
                                  uint8_t max_version,
                                  const struct member *members, size_t n,
                                  void *to);

// A whole frame: its type, then these members. ERR_CORRUPT: another type, or a member
// that is missing or does not fit.
void frame_pack(struct buf *b, uint64_t type, const struct member *members,
                size_t n, const void *from);
MUST_CHECK enum err frame_unpack(struct str frame, uint64_t type,
                                 const struct member *members, size_t n,
                                 void *to);

// --- checks and keys ---

// XXH3-64 and XXH3-128. Anybody can construct two texts with the same hash, so use
// them only where a collision gains nobody anything: never for identity, equality,
// or the assignment of limits.
uint64_t hash64(struct str bytes, uint64_t seed);
void hash128(struct str bytes, uint8_t out[16]);

// For hash tables in memory. Each process hashes with its own seed, so nobody can
// choose names that collide. Compare the full keys of what a lookup finds.
uint64_t hash_here(struct str bytes, uint64_t seed);

// Big-endian, so that keys sort as numbers.
void put_be64(uint8_t to[8], uint64_t number);
uint64_t get_be64(const uint8_t from[8]);

#endif
