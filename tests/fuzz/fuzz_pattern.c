// SPDX-License-Identifier: MIT
// fuzz_pattern.c — patterns: a text is compiled or refused with a reason, and holds for a
// payload as it does for an array of it, alone or twice.
//
// Input: the pattern up to a newline, then the payload.

#include <string.h>

#include "common/pattern/facts.h"
#include "common/pattern/paths.h"
#include "common/pattern/pattern.h"
#include "tests/fuzz/fuzz.h"

static bool holds(const struct pattern *p, struct facts *facts,
                  const struct paths *paths, const char *format,
                  struct str payload)
{
    struct buf text, why;
    struct json *json;
    bool is_held;

    buf_init(&text, 0);
    buf_init(&why, 0);
    for (; *format != '\0'; format++) {
        if (*format == '%') {
            buf_put_str(&text, payload);
        } else {
            buf_putc(&text, *format);
        }
    }
    CHECK(json_parse(buf_str(&text), &json_no_limits, &json, NULL) == OK);
    facts_begin(facts, paths);
    facts_add_str(facts, "kind", STR("order.created"));
    facts_add_json(facts, "payload", json_root(json));
    is_held = pattern_holds(p, facts);
    CHECK(is_held == pattern_holds(p, facts));
    if (!is_held) {
        pattern_explain(p, facts, &why);
        CHECK(why.n_bytes > 0);
    }
    json_free(json);
    buf_clear(&text);
    buf_clear(&why);
    return is_held;
}

static void compare(struct pattern *p, struct str payload)
{
    struct facts *facts = facts_new();
    struct paths *paths = paths_new();
    bool is_held;

    pattern_bind(p, paths);
    is_held = holds(p, facts, paths, "%", payload);
    CHECK(holds(p, facts, paths, "[%]", payload) == is_held);
    CHECK(holds(p, facts, paths, "[%,%]", payload) == is_held);
    pattern_unbind(p);
    CHECK(paths_is_empty(paths));
    paths_free(paths);
    facts_free(facts);
}

void fuzz_one(struct str input)
{
    struct str text = take_line(&input);
    struct pattern *p = NULL;
    struct json *payload = NULL;
    struct buf why;

    buf_init(&why, 0);
    if (pattern_compile(text, &p, &why) != OK) {
        CHECK(p == NULL && why.n_bytes > 0);
    } else {
        CHECK(why.n_bytes == 0);
        CHECK(pattern_bytes(p) < (size_t)16 * PATTERN_MAX_BYTES);
        if (json_parse(input, &json_default_limits, &payload, NULL) == OK &&
            json_is(json_root(payload), JSON_OBJECT) &&
            input.n_bytes < PATTERN_MAX_VALUES) // all are compared, even twice
            compare(p, input);
        json_free(payload);
        pattern_free(p);
    }
    buf_clear(&why);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const seeds[] = {
        "{\"payload\":{\"a\":[1,\"x\",null,true],\"b\":[{\"exists\":false}]}}\n"
        "{\"a\":[{\"b\":1},2],\"c\":\"x\"}",
        "{\"kind\":[{\"prefix\":\"order.\"}],\"$or\":[{\"payload.a\":[{"
        "\"numeric\":[\">\",1,\"<=\",5]}]},{\"payload\":{\"b\":[{\"cidr\":"
        "\"10.0.0.0/8\"}]}}]}\n{\"a\":3,\"b\":\"10.1.2.3\"}",
        "{\"payload\":{\"a\":{\"b\":[{\"anything-but\":{\"prefix\":[\"x\","
        "\"y\"]}}],\"c\":[{\"wildcard\":\"a*b\\\\*\"}]}}}\n"
        "{\"a\":[{\"b\":\"z\",\"c\":\"ab*\"},{\"b\":\"x\"}]}",
        "{\"payload\":{\"a\":[{\"equals-ignore-case\":\"stra\303\237e\"},{"
        "\"suffix\":{\"equals-ignore-case\":\"B\"}}],\"c\":{\"d\":[{\"exists\""
        ":true}],\"b\":[{\"exists\":false}]}}}\n"
        "{\"a\":[\"STRASSE\"],\"c\":[{\"b\":1},{\"d\":[[1]]}]}",
    };

    return seed_text(seeds, sizeof(seeds) / sizeof(seeds[0]), i, out);
}
