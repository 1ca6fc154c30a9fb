// SPDX-License-Identifier: MIT
// codec.h — records on disk and frames between processes: msgpack, versioned,
// checked.
//
// Writing is msgpack-c's packer. Reading is a cursor of our own that never
// allocates and never trusts a length: msgpack-c's unpacker allocates what a
// header claims (msgpack-c issue 1013: 96 GB for five bytes), and what we read
// may come from a damaged disk or from a process that faces hostile bytes.
//
// A record is: version byte, msgpack values, 4 bytes of XXH3-64 over both, with the
// place where it lies worked in: elsewhere it is not sound.
// A frame between processes is msgpack values only (channel.h adds the length).

#ifndef COMMON_BASE_CODEC_H
#define COMMON_BASE_CODEC_H

#include <stdbool.h>
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

// Where a record lies, in 32 bits: `table` stands for a table of an environment.
// RECORD_NOWHERE: not on disk (yet), as record_end() leaves it.
#define RECORD_NOWHERE UINT32_C(0)
uint32_t record_place(uint64_t table, struct str key);
// Takes a whole record from nowhere to the place, or from there to nowhere.
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

// The number of values that follow. `max` is what the caller is ready for;
// more is a fault.
uint32_t unpack_array(struct unpack *u, uint32_t max);

// ERR_CORRUPT: a get failed, or bytes are left over.
MUST_CHECK enum err unpack_done(const struct unpack *u);

// Checks a record's checksum, which covers its place, and its version
// (1..`max_version`), and opens it. ERR_CORRUPT: too short, checksum wrong, of
// another place, or a version we do not know.
MUST_CHECK enum err record_open(uint32_t place, struct str bytes,
                                uint8_t max_version, uint8_t *version,
                                struct unpack *u);

// --- checks and keys ---

// XXH3-64 and XXH3-128: anybody finds two texts with one hash. For what nobody gains
// by that: never for who somebody is, what is the same, or who shares a limit.
uint64_t hash64(struct str bytes, uint64_t seed);
void hash128(struct str bytes, uint8_t out[16]);

// For tables in memory: another hash in each process, so that nobody chooses names
// that meet in one place. What is found there is compared in full all the same.
uint64_t hash_here(struct str bytes, uint64_t seed);

// Big-endian, so that keys sort as numbers.
void put_be64(uint8_t to[8], uint64_t number);
uint64_t get_be64(const uint8_t from[8]);

#endif
