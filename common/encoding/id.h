// SPDX-License-Identifier: MIT
// id.h — 128-bit ids, written as UUIDs (RFC 9562).

#ifndef COMMON_ENCODING_ID_H
#define COMMON_ENCODING_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/base/str.h"

#define ID_TEXT_BYTES 36 // without a terminator

struct id {
    uint8_t bytes[16];
};

// Writes the lower-case UUID form and a NUL.
void id_format(const struct id *id, char text[ID_TEXT_BYTES + 1]);

// Reads a UUID of any version, in either case, with its four hyphens.
// ERR_INVALID: it is not one.
MUST_CHECK enum err id_parse(struct str text, struct id *out);

bool id_eq(const struct id *a, const struct id *b);

// A UUIDv7 (RFC 9562, 5.7): sorts by time. `at_ms` is a UTC epoch; `serial`
// fills its last 48 bits, so an id tells it back (id_serial); `noise` is
// random and fills the rest.
struct id id_v7(int64_t at_ms, uint64_t serial, uint32_t noise);

// A UUIDv4 of 16 random bytes.
struct id id_v4(const uint8_t random[16]);

// The serial of an id made by id_v7(); of any other id, some number.
uint64_t id_serial(const struct id *id);

#endif
