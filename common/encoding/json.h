// SPDX-License-Identifier: MIT
// json.h — strict JSON (RFC 8259) reading within limits; yyjson inside.
//
// Strict: UTF-8 is checked, no duplicate keys, no comments, no trailing text.

#ifndef COMMON_ENCODING_JSON_H
#define COMMON_ENCODING_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

// Parsing takes time proportional to the text's length, whatever it holds, so the
// length is the only limit that is needed for safety. Operators may set further
// ones: max_json_depth, max_json_keys and max_json_string_bytes.
struct json_limits {
    unsigned max_depth; // nested arrays and objects; JSON_DEPTH_MAX at most
    size_t max_keys;    // of all objects together; 0: unlimited
    size_t max_string_bytes; // of one string, decoded; 0: unlimited
};

#define JSON_DEPTH_MAX 1024

extern const struct json_limits json_default_limits; // 128 levels, nothing else
extern const struct json_limits
    json_no_limits; // for JSON that was accepted earlier

struct json;       // opaque: a parsed text, owned by the caller
struct json_value; // opaque: borrowed from its struct json

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

// ERR_INVALID: not JSON, or it exceeds a limit; `why` (may be NULL) gets a sentence
// that says what and where. The text may be freed after the call.
MUST_CHECK enum err json_parse(struct str text,
                               const struct json_limits *limits,
                               struct json **out, struct buf *why);
void json_free(struct json *j); // NULL is fine

const struct json_value *json_root(const struct json *j);
enum json_type json_type(const struct json_value *v);
const char *json_type_name(const struct json_value *v); // "a string"

// The member of an object. NULL: absent, or `v` is NULL or no object.
const struct json_value *json_get(const struct json_value *v, const char *key);

bool json_is(const struct json_value *v, enum json_type type); // NULL: false
struct str json_str(const struct json_value *v); // empty unless a string
bool json_bool(const struct json_value *v);      // false unless true

// ERR_INVALID: not a number that is an integer in the range of int64_t.
MUST_CHECK enum err json_int(const struct json_value *v, int64_t *out);

// The same; 0 for what is no such number.
int64_t json_int_or_zero(const struct json_value *v);

// The text of a number as it was written; empty unless a number.
struct str json_number(const struct json_value *v);

// Elements of an array or members of an object, in order.
//   struct json_iter it = json_iter(v);
//   while ((item = json_next(&it, &key)) != NULL) …
struct json_iter {
    const struct json_value *next; // private
    size_t n_left;
    bool is_object;
};
struct json_iter json_iter(const struct json_value *v);
// `key` (may be NULL) is set for members of an object. NULL: no more.
const struct json_value *json_next(struct json_iter *it, struct str *key);
size_t json_size(const struct json_value *v); // 0 unless array or object

// Appends the source text of the member `key` of the text's root object to `out`,
// without insignificant white space and otherwise byte for byte: numbers, escapes
// and key order stay. Only for a text that json_parse() accepted and whose root is
// an object. NULL as the key means the whole text, whose root may then be of any type.
// ERR_NOTFOUND: no such member. ERR_TOOBIG: it exceeds `out`'s cap.
MUST_CHECK enum err json_compact_member(struct str text, const char *key,
                                        struct buf *out);

#endif
