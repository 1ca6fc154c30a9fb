// SPDX-License-Identifier: MIT
// test_trace.c — W3C Trace Context, and the ids of an event's spans.

#include <string.h>

#include "common/model/trace.h"
#include "tests/support/unit.h"

#define TRACE_ID  "0af7651916cd43dd8448eb211c80319c"
#define PARENT_ID "b7ad6b7169203331"
#define SAMPLED   "00-" TRACE_ID "-" PARENT_ID "-01"

static void contexts_are_kept_if_they_are_valid(void **state)
{
    static const struct {
        const char *parent, *state, *kept;
    } cases[] = {
        { SAMPLED, "", SAMPLED },
        { SAMPLED, "a=1,b=2", SAMPLED " a=1,b=2" },
        { SAMPLED, "a=\x01", SAMPLED },
        { SAMPLED,
          "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,"
          "26,27,28,29,30,31,32,33",
          SAMPLED },
        { "cc-" TRACE_ID "-" PARENT_ID "-00-more", "",
          "cc-" TRACE_ID "-" PARENT_ID "-00" },
        { "", "a=1", "" },
        { SAMPLED "-", "a=1", "" },
        { SAMPLED "x", "", "" },
        { "cc-" TRACE_ID "-" PARENT_ID "-00x", "", "" },
        { "ff-" TRACE_ID "-" PARENT_ID "-01", "", "" },
        { "00-" TRACE_ID "-" PARENT_ID "-0", "", "" },
        { "00-" TRACE_ID "-" PARENT_ID "-0A", "", "" },
        { "00_" TRACE_ID "-" PARENT_ID "-01", "", "" },
        { "00-00000000000000000000000000000000-" PARENT_ID "-01", "", "" },
        { "00-" TRACE_ID "-0000000000000000-01", "", "" },
    };
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_reset(&out);
        trace_put_context(str_of(cases[i].parent), str_of(cases[i].state),
                          &out);
        if (!str_eq(buf_str(&out), str_of(cases[i].kept)))
            fail_msg("%s: %s", cases[i].parent, buf_cstr(&out));
    }
    buf_clear(&out);
}

static void the_producer_s_context_is_the_event_s(void **state)
{
    struct event e = { .dialect = DIALECT_PULUMI,
                       .trace = STR(SAMPLED " a=1,b=2") };
    struct trace t;

    (void)state;
    trace_of_event(&e, 0, &t);
    assert_true(t.has_parent && t.is_sampled);
    assert_int_equal(t.trace_id[0], 0x0a);
    assert_int_equal(t.trace_id[15], 0x9c);
    assert_int_equal(t.parent_id[7], 0x31);
    assert_true(str_eq(t.state, STR("a=1,b=2")));
    e.trace = STR(SAMPLED " a=1\r\nX-Other: 1"); // stored bytes may be damaged
    trace_of_event(&e, 0, &t);
    assert_true(t.has_parent && t.state.n_bytes == 0);
    e.trace = STR("00-" TRACE_ID "-" PARENT_ID "-fe");
    trace_of_event(&e, 100, &t);
    assert_true(t.has_parent && !t.is_sampled);
    assert_int_equal(t.state.n_bytes, 0);
}

// By the id, so that each process chooses the same ones.
static void a_part_of_the_traces_is_sampled(void **state)
{
    unsigned n_sampled = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        struct event e = { .dialect = DIALECT_PULUMI, .org = STR("acme") };
        struct trace t, again;

        memcpy(e.id.bytes, &i, sizeof(i));
        trace_of_event(&e, 30, &t);
        trace_of_event(&e, 30, &again);
        assert_memory_equal(t.trace_id, again.trace_id, TRACE_ID_BYTES);
        assert_int_equal(t.is_sampled, again.is_sampled);
        assert_false(t.has_parent);
        n_sampled += t.is_sampled;
        trace_of_event(&e, 0, &t);
        assert_false(t.is_sampled);
        trace_of_event(&e, 100, &t);
        assert_true(t.is_sampled);
    }
    assert_in_range(n_sampled, 230, 370);
}

static void spans_and_organizations_have_ids_of_their_own(void **state)
{
    const struct event e = { .dialect = DIALECT_PULUMI, .org = STR("acme") };
    const struct event other = { .dialect = DIALECT_PULUMI,
                                 .org = STR("zeta") };
    uint8_t ids[5][SPAN_ID_BYTES];
    struct trace t, of_other;

    (void)state;
    trace_span_id(&e, TRACE_INTAKE, 0, 0, ids[0]);
    trace_span_id(&e, TRACE_QUEUE, 1, 0, ids[1]);
    trace_span_id(&e, TRACE_QUEUE, 2, 0, ids[2]);
    trace_span_id(&e, TRACE_ATTEMPT, 1, 1, ids[3]);
    trace_span_id(&e, TRACE_ATTEMPT, 1, 2, ids[4]);
    for (size_t a = 0; a < 5; a++) {
        for (size_t b = 0; b < a; b++)
            assert_memory_not_equal(ids[a], ids[b], SPAN_ID_BYTES);
    }
    trace_of_event(&e, 100, &t);
    trace_of_event(&other, 100, &of_other);
    assert_memory_not_equal(t.trace_id, of_other.trace_id, TRACE_ID_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_are_kept_if_they_are_valid),
        cmocka_unit_test(the_producer_s_context_is_the_event_s),
        cmocka_unit_test(a_part_of_the_traces_is_sampled),
        cmocka_unit_test(spans_and_organizations_have_ids_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
