// SPDX-License-Identifier: MIT
// build.h — a pattern while it is compiled: its fields, tests and texts, and the ways
// through its `$or`.

#ifndef COMMON_PATTERN_BUILD_H
#define COMMON_PATTERN_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/pattern/compiled.h"
#include "common/pattern/pattern.h"

// The operands of a pattern of PATTERN_MAX_BYTES are fewer: each takes two bytes.
#define OPERANDS_MAX (PATTERN_MAX_BYTES / 2)

struct build {
    struct buf *why; // may be NULL
    struct buf path; // of the field that is read
    struct buf text; // of operands and paths
    struct field fields[PATTERN_MAX_LEAVES];
    size_t n_fields;
    struct test tests[PATTERN_MAX_LEAVES];
    size_t n_tests;
    size_t n_leaves;
    size_t n_or; // `$or` around what is read
    struct operand operands[OPERANDS_MAX];
    size_t n_operands;
};

// Says what is wrong with the field that is read. Returns ERR_INVALID.
__attribute__((format(printf, 2, 3))) enum err
build_refuse(struct build *b, const char *format, ...);

// Begins an operator on the field that is read. Counts as a leaf for each operand that is
// compared by itself. ERR_INVALID: too many.
MUST_CHECK enum err build_test(struct build *b, enum operator op,
                               bool is_negated, size_t n_leaves);

// Appends an operand of the last test.
void build_operand(struct build *b, enum operand_type type, uint8_t flags,
                   struct str text);

// Sorts the operands of the last test, and drops those that are given twice.
void build_sort(struct build *b);

#endif
