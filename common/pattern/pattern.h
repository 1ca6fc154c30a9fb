// SPDX-License-Identifier: MIT
// pattern.h — patterns over an event's fields, in the language of AWS EventBridge.
//
//   { "kind": ["order.created"],
//     "payload": { "total": [{ "numeric": [">", 100] }],
//                  "$or": [{ "country": ["DE"] }, { "vip": [true] }] } }
//
// A pattern is compiled once, and bound to the paths of its owner (paths.h). The values
// of an event are collected once (facts.h); then each pattern is compared with them.
// README.md says how the language is read.

#ifndef COMMON_PATTERN_PATTERN_H
#define COMMON_PATTERN_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

// Limits of a pattern. A leaf is one operator on one field; the plain values of a field,
// which are one list, count as one.
#define PATTERN_MAX_BYTES  4096
#define PATTERN_MAX_LEAVES 64
#define PATTERN_MAX_DEPTH \
    8 // objects around a field, counting the pattern itself
#define PATTERN_MAX_CHOICES 64 // ways through all `$or` together

struct pattern; // opaque: compiled; owned by the caller
struct paths;   // paths.h
struct facts;   // facts.h

// ERR_INVALID: no pattern, or beyond a limit; `why` (may be NULL) gets a sentence that
// names the field, what is wrong and what is allowed. The text may be freed after the
// call.
MUST_CHECK enum err pattern_compile(struct str text, struct pattern **out,
                                    struct buf *why);
void pattern_free(struct pattern *p); // NULL is fine; it must not be bound

// Adds the pattern's fields to `paths`, which must outlive this; once.
void pattern_bind(struct pattern *p, struct paths *paths);
void pattern_unbind(struct pattern *p);

// Whether the values satisfy the pattern, which is bound to the paths that the values
// were collected for.
bool pattern_holds(const struct pattern *p, struct facts *facts);

// Appends why the pattern does not hold: the field, what it is, what it must be. Only for
// a pattern that does not hold.
void pattern_explain(const struct pattern *p, struct facts *facts,
                     struct buf *out);

size_t pattern_bytes(const struct pattern *p); // memory that it takes

#endif
