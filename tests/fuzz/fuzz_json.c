// SPDX-License-Identifier: MIT
// fuzz_json.c — JSON: a compacted text is read as the same value as its source.

#include <string.h>

#include "common/base/utf8.h"
#include "common/encoding/json.h"
#include "tests/fuzz/json_equal.h"

static void check_no_blanks(struct str text)
{
    bool is_in_string = false;

    for (size_t i = 0; i < text.n_bytes; i++) {
        if (is_in_string && text.at[i] == '\\') {
            i++;
        } else if (text.at[i] == '"') {
            is_in_string = !is_in_string;
        } else if (!is_in_string) {
            CHECK(memchr(" \t\r\n", text.at[i], 4) == NULL);
        }
    }
    CHECK(!is_in_string);
}

static void check_member(struct str text, struct str key,
                         const struct json_value *value)
{
    struct buf compact, wrapped, again;
    struct json *json;
    char name[64];

    // Keys are asked for by name, as a C string.
    if (key.n_bytes >= sizeof(name) || memchr(key.at, '\0', key.n_bytes))
        return;
    memcpy(name, key.at, key.n_bytes);
    name[key.n_bytes] = '\0';
    buf_init(&compact, text.n_bytes);
    buf_init(&wrapped, 0);
    buf_init(&again, 0);
    CHECK(json_compact_member(text, name, &compact) == OK);
    CHECK(compact.n_bytes > 0 && compact.n_bytes <= text.n_bytes);
    check_no_blanks(buf_str(&compact));
    buf_puts(&wrapped, "{\"m\":");
    buf_put_str(&wrapped, buf_str(&compact));
    buf_putc(&wrapped, '}');
    json = json_read(buf_str(&wrapped));
    CHECK(json_same(value, json_get(json_root(json), "m")));
    json_free(json);
    CHECK(json_compact_member(buf_str(&wrapped), "m", &again) == OK);
    CHECK(str_eq(buf_str(&compact), buf_str(&again)));
    buf_clear(&compact);
    buf_clear(&wrapped);
    buf_clear(&again);
}

static void check_object(struct str text, const struct json_value *root)
{
    struct json_iter it = json_iter(root);
    const struct json_value *item;
    struct str key = STR_EMPTY;
    struct buf none;

    buf_init(&none, 0);
    for (int i = 0; i < 4 && (item = json_next(&it, &key)) != NULL; i++)
        check_member(text, key, item);
    if (json_get(root, "no such key") == NULL)
        CHECK(json_compact_member(text, "no such key", &none) == ERR_NOTFOUND);
    CHECK(none.n_bytes == 0);
    buf_clear(&none);
}

// Any bytes become a string, which says the same if they were UTF-8.
static void check_written(struct str bytes)
{
    struct json *json;
    struct buf text;

    buf_init(&text, 0);
    buf_put_json(&text, bytes);
    CHECK(text.n_bytes <= 6 * bytes.n_bytes + 2);
    json = json_read(buf_str(&text));
    CHECK(json_is(json_root(json), JSON_STRING));
    if (utf8_is_valid(bytes.at, bytes.n_bytes))
        CHECK(str_eq(json_str(json_root(json)), bytes));
    json_free(json);
    buf_clear(&text);
}

void fuzz_one(struct str input)
{
    struct json *json = NULL;
    struct buf why;

    buf_init(&why, 0);
    if (json_parse(input, &json_default_limits, &json, &why) == OK) {
        CHECK(why.n_bytes == 0);
        CHECK(utf8_is_valid(input.at, input.n_bytes));
        CHECK(json_same(json_root(json), json_root(json)));
        if (json_is(json_root(json), JSON_OBJECT))
            check_object(input, json_root(json));
        json_free(json);
    } else {
        CHECK(why.n_bytes > 0 && why.n_bytes < 1024);
    }
    buf_clear(&why);
    check_written(input);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":\"e\"}}",
        " {\"p\" : { \"x\" : -1.5e+10 , \"y\" : [ ] } , \"z\":\"\\\"\" }",
        "{\"p\\u0061y\":\"\\ud83d\\ude00\",\"\":[[[[1]]],{}]}",
        "{\"a\":\"\\\\\",\"b\":\"\\\\\\\"\",\"c\":\" \\n \"}",
        "[1,2.0,3e3,-0,0.1e-7,12345678901234567890123]",
        "\"\\u0000\\b\\f\\n\\r\\t\\/\"",
        "{\"a\":1,\"a\":2}",
        "\xef\xbb\xbf{}",
        "{\"k\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}\n",
    };
    const size_t n = sizeof(texts) / sizeof(texts[0]);

    return seed_text(texts, n, i, out) ||
           (i - n < 12 && seed_file("tests/golden/slack", i - n, out));
}
