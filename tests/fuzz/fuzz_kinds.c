// SPDX-License-Identifier: MIT
// fuzz_kinds.c — names of filters, groups and kinds agree with the table, and with a
// matcher that compares segments.
//
// Input: two lines.

#include <string.h>

#include "common/model/akinon_names.h"
#include "common/model/event_kinds.h"
#include "tests/fuzz/fuzz.h"

static bool is_separator(char c)
{
    return c == '.' || c == '/' || c == ':';
}

static bool is_segment(struct str s)
{
    for (size_t i = 0; i < s.n_bytes; i++) {
        if (s.at[i] == '\0' || strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"
                                      "OPQRSTUVWXYZ0123456789_-",
                                      s.at[i]) == NULL)
            return false;
    }
    return s.n_bytes > 0;
}

// The number of segments; 0: the text does not consist of segments.
static size_t n_segments(struct str s)
{
    size_t n = 0;

    for (;;) {
        struct str segment = s;
        bool is_last;

        segment.n_bytes = 0;
        while (segment.n_bytes < s.n_bytes &&
               !is_separator(s.at[segment.n_bytes]))
            segment.n_bytes++;
        is_last = segment.n_bytes == s.n_bytes;

        if (!is_segment(segment))
            return 0;
        n++;
        if (is_last)
            return n;
        s.at += segment.n_bytes + 1;
        s.n_bytes -= segment.n_bytes + 1;
    }
}

static bool ends_in_star(struct str s)
{
    return s.n_bytes > 2 && s.at[s.n_bytes - 1] == '*' &&
           is_separator(s.at[s.n_bytes - 2]);
}

static void check_kind(struct str text)
{
    struct str base = text;
    size_t n = n_segments(text);

    CHECK(kind_segments(text) == n);
    CHECK(kind_is_custom(text) == (n >= 2 && text.n_bytes <= KIND_MAX_BYTES));
    CHECK(kind_has_separator(text) || n < 2);
    if (ends_in_star(text))
        base.n_bytes -= 2;
    CHECK(kind_is_pattern(text) ==
          (text.n_bytes <= KIND_MAX_BYTES &&
           n_segments(base) >= (ends_in_star(text) ? 1 : 2)));
    CHECK(kind_is_known(text) ==
          (kind_group(text) >= 0 || str_is(text, "team")));
    // No own kind is Pulumi's, nor a filter or a group in any spelling.
    if (kind_is_custom(text) || kind_is_pattern(text)) {
        CHECK(!kind_is_known(text));
        CHECK(filter_find(text) < 0 && group_find(text) < 0);
    }
    if (kind_is_own(text))
        CHECK(kind_is_reserved(text));
}

static void check_akinon(struct str text)
{
    size_t n = n_segments(text);

    if (akinon_is_event(text))
        CHECK(n >= 1 && n <= 5 && text.n_bytes <= KIND_MAX_BYTES);
    // Kinds with upper case, or other separators than dots, are not Akinon's.
    for (size_t i = 0; i < text.n_bytes; i++) {
        char c = text.at[i];

        if ((c >= 'A' && c <= 'Z') || c == '/' || c == ':')
            CHECK(!akinon_is_event(text));
    }
}

static void check_names(struct str text)
{
    int filter = filter_find(text);
    int group = group_find(text);

    CHECK(filter < (int)n_filters && group < GROUPS);
    if (filter >= 0) {
        CHECK(filter_find(str_of(filters[filter].name)) == filter);
        CHECK(strcmp(filter_nearest(text), filters[filter].name) == 0);
        CHECK((group_filters(filters[filter].group) >> filter & 1) != 0);
        CHECK(kind_group(str_of(filters[filter].kind)) ==
              (int)filters[filter].group);
    }
    if (group >= 0)
        CHECK(group_find(str_of(group_name((enum group)group))) == group);
}

static void check_matches(struct str kind, struct str pattern)
{
    struct str base = pattern;

    if (n_segments(kind) < 2 || !kind_is_pattern(pattern))
        return;
    if (!ends_in_star(pattern)) {
        CHECK(kind_matches(kind, pattern) == str_eq(kind, pattern));
        return;
    }
    base.n_bytes -= 1; // with its dot
    CHECK(kind_matches(kind, pattern) == str_starts(kind, base));
}

void fuzz_one(struct str input)
{
    struct str a = take_line(&input);
    struct str b = take_line(&input);

    check_kind(a);
    check_akinon(a);
    check_names(a);
    check_kind(b);
    check_akinon(b);
    check_names(b);
    if (kind_nearest(a) != NULL)
        CHECK(kind_is_known(str_of(kind_nearest(a))));
    if (filter_nearest(b) != NULL)
        CHECK(filter_find(str_of(filter_nearest(b))) >= 0);
    check_matches(a, b);
    check_matches(b, a);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "order.created\norder.*",
        "order.created.late\norder.created.*",
        "stack_update\nstack.*",
        "Refresh failed\n update-SUCCEEDED ",
        "a.b.c.d.e\na.b.c.d.e.f",
        "posthorn.hook.disabled\nposthorn.*",
        "stacks\nchange requests",
        "Microsoft.Storage.BlobCreated\nMicrosoft.Storage.*",
        "orders/create\norders/*",
        "s3:ObjectCreated:Put\ns3:*",
        "Stack\nPOSTHORN/x",
    };
    const size_t n = sizeof(texts) / sizeof(texts[0]);

    if (seed_text(texts, n, i, out))
        return true;
    if (i - n >= n_filters)
        return false;
    buf_printf(out, "%s\n%s", filters[i - n].name, filters[i - n].kind);
    return true;
}
