// SPDX-License-Identifier: MIT
// compiled.h — a compiled pattern: tables in one allocation. No other room includes it.

#ifndef COMMON_PATTERN_COMPILED_H
#define COMMON_PATTERN_COMPILED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

struct path_node; // paths.h
struct paths;

enum operator{
    OP_VALUES, // one of these strings, numbers, addresses, true, false, null
    OP_PREFIX,
    OP_SUFFIX,
    OP_PREFIX_ANY_CASE,
    OP_SUFFIX_ANY_CASE,
    OP_ANY_CASE,
    OP_WILDCARD,
    OP_NUMERIC,
    OP_CIDR,
    OP_EXISTS,
    OP_ABSENT
};

// What an operator compares with; its bytes are in the pattern's text.
enum operand_type {
    KEY_STRING,
    KEY_NUMBER, // 8 bytes: a double
    KEY_DIGITS, // a number that no double holds: as it was written
    KEY_ADDRESS,
    KEY_TRUE,
    KEY_FALSE,
    KEY_NULL,
    TEXT_PLAIN,
    TEXT_FOLDED,  // fold.h
    TEXT_RANGE,   // two doubles
    TEXT_NETWORK, // bits, then 4 or 16 bytes
};

struct operand {
    uint32_t at; // in the text
    uint16_t n_bytes;
    uint8_t type;  // enum operand_type
    uint8_t flags; // of a TEXT_RANGE
};

#define RANGE_OPEN_LOW  1
#define RANGE_OPEN_HIGH 2

struct test {
    uint8_t op;      // enum operator
    bool is_negated; // anything-but
    uint16_t first;  // operand
    uint16_t n;      // OP_VALUES: sorted; others: any of them
};

// A path, and what its values are compared with: one test has to hold.
struct field {
    struct path_node *node; // while bound
    uint32_t path_at;       // in the text
    uint16_t path_bytes;
    uint8_t first_test;
    uint8_t n_tests;
    bool may_be_absent; // one of the tests is OP_ABSENT
};

struct pattern {
    struct paths *paths; // while bound
    uint32_t n_bytes;    // of this allocation
    uint16_t n_operands;
    uint8_t n_fields; // in the order of their paths: a bit each
    uint8_t n_tests;
    uint8_t n_choices;
    // All fields of one of these have to hold: `$or` is multiplied out.
    const uint64_t *choices;
    struct field *fields;
    const struct test *tests;
    const struct operand *operands;
    const char *text;
};

static inline struct str operand_text(const struct pattern *p,
                                      const struct operand *o)
{
    return (struct str){ p->text + o->at, o->n_bytes };
}

static inline struct str field_path(const struct pattern *p,
                                    const struct field *f)
{
    return (struct str){ p->text + f->path_at, f->path_bytes };
}

#endif
