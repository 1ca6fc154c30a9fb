// SPDX-License-Identifier: MIT
// json_equal.h — whether two JSON values are equal: members in the same order, numbers
// digit by digit, strings decoded.

#ifndef TESTS_FUZZ_JSON_EQUAL_H
#define TESTS_FUZZ_JSON_EQUAL_H

#include "common/encoding/json.h"
#include "tests/fuzz/fuzz.h"

static inline bool json_same(const struct json_value *a,
                             const struct json_value *b)
{
    struct json_iter in_a = json_iter(a), in_b = json_iter(b);
    const struct json_value *item;
    struct str key_a = STR_EMPTY, key_b = STR_EMPTY;

    if (json_type(a) != json_type(b) || json_size(a) != json_size(b) ||
        json_bool(a) != json_bool(b) || !str_eq(json_str(a), json_str(b)) ||
        !str_eq(json_number(a), json_number(b)))
        return false;
    // Not deeper than the parser's limit.
    while ((item = json_next(&in_a, &key_a)) != NULL) {
        if (!json_same(item, json_next(&in_b, &key_b)) || !str_eq(key_a, key_b))
            return false;
    }
    return true;
}

// Parses text that the program has written, which must be JSON.
static inline struct json *json_read(struct str text)
{
    static const struct json_limits limits = { 100, 100000, (size_t)1 << 24 };
    struct json *json = NULL;

    CHECK(json_parse(text, &limits, &json, NULL) == OK);
    return json;
}

#endif
