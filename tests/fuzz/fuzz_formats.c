// SPDX-License-Identifier: MIT
// fuzz_formats.c — bodies in each format: they are JSON whatever the payload holds, of a
// bounded size, and the same each time.
//
// Input: short texts for the names, then the payload.

#include <string.h>

#include "common/base/utf8.h"
#include "common/encoding/url.h"
#include "common/model/event_kinds.h"
#include "common/model/formats/format_table.h"
#include "common/model/formats/summary.h"
#include "tests/fuzz/json_equal.h"

static void check_summary(const struct format_event *e)
{
    struct summary s;

    summary_read(e, &s);
    CHECK(s.title.n_bytes > 0 && s.n_facts <= SUMMARY_FACTS_MAX);
    CHECK(utf8_is_valid(s.title.at, s.title.n_bytes));
    for (size_t i = 0; i < s.n_facts; i++) {
        CHECK(utf8_is_valid(s.facts[i].label.at, s.facts[i].label.n_bytes));
        CHECK(utf8_is_valid(s.facts[i].value.at, s.facts[i].value.n_bytes));
    }
    if (s.url.n_bytes > 0) {
        CHECK(str_starts(s.url, STR("http://")) ||
              str_starts(s.url, STR("https://")));
        for (size_t i = 0; i < s.url.n_bytes; i++)
            CHECK(s.url.at[i] > ' ' && strchr("<>|\"", s.url.at[i]) == NULL);
    }
    summary_clear(&s);
}

static void check_format(const struct format *f, const struct format_event *e)
{
    struct buf body, again;

    if (f->render == NULL)
        return;
    buf_init(&body, 0);
    buf_init(&again, 0);
    f->render(e, &body);
    f->render(e, &again);
    CHECK(str_eq(buf_str(&body), buf_str(&again)));
    json_free(json_read(buf_str(&body)));
    CHECK(utf8_is_valid(body.at, body.n_bytes));
    CHECK(body.n_bytes < (64 << 10) + 8 * e->payload.n_bytes);
    buf_clear(&body);
    buf_clear(&again);
}

static void check_answer(struct str body)
{
    static const struct format *const formats[] = { &format_raw, &format_slack,
                                                    &format_ms_teams,
                                                    &format_cloudevents };

    for (size_t i = 0; i < 3; i++) {
        if (formats[i]->says_failed != NULL)
            (void)formats[i]->says_failed(body);
    }
}

void fuzz_one(struct str input)
{
    static const struct id id = { { 1, 2, 3 } };
    struct format_event e = { .id = &id, .accepted_at_us = 1790000000000000 };
    struct json *json = NULL;
    struct buf payload;

    check_answer(input);
    e.kind = take_line(&input);
    if (json_parse(input, &json_default_limits, &json, NULL) != OK)
        return;
    // Names and kinds were checked before they were stored.
    buf_init(&payload, 0);
    buf_puts(&payload, "{\"m\":");
    buf_put_str(&payload, input);
    buf_putc(&payload, '}');
    if ((json_is(json_root(json), JSON_OBJECT) || kind_is_custom(e.kind)) &&
        e.kind.n_bytes > 0 && utf8_is_valid(e.kind.at, e.kind.n_bytes)) {
        struct buf compact;

        buf_init(&compact, 0);
        CHECK(json_compact_member(buf_str(&payload), "m", &compact) == OK);
        e.org = STR("acme");
        e.project = STR("web");
        e.stack = STR("prod");
        e.payload = buf_str(&compact);
        check_summary(&e);
        for (int number = 1; number <= 5; number++) {
            const struct format *f = format_by_number(number);

            CHECK(f != NULL && format_by_name(str_of(f->name)) == f);
            check_format(f, &e);
        }
        buf_clear(&compact);
    }
    buf_clear(&payload);
    json_free(json);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const kinds[] = {
        "stack_update",     "deployment",  "stack_preview",
        "policy_violation", "environment", "change_request",
        "order.created",    "ping",        "posthorn.hook.failing"
    };

    if (i >= 3 * sizeof(kinds) / sizeof(kinds[0]))
        return false;
    buf_printf(out, "%s\n", kinds[i % (sizeof(kinds) / sizeof(kinds[0]))]);
    return seed_file("tests/golden/raw", i, out);
}
