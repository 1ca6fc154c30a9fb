// SPDX-License-Identifier: MIT
// match.c — how long an event takes to find its hooks.
//
// One organization has many hooks, each with a filter; a hundredth of the hooks, or as
// many as --wanted says, have the event's filter. The index also has hooks of other
// organizations, which must cost nothing. With --patterns, the hooks that have the event's
// filter have a pattern, too, which holds for one of them. Every event is timed by itself,
// with its payload's reading.

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/args.h"
#include "common/base/buf.h"
#include "common/base/histogram.h"
#include "common/base/mem.h"
#include "common/model/event_kinds.h"
#include "engine/delivery/event_facts.h"
#include "engine/delivery/match.h"

#define WANTED_ONE_OF 100

static void hook_put(struct match_index *index, uint64_t no, struct str org,
                     const char *filter, bool has_pattern)
{
    char pattern[200] = "";
    struct hook hook = {
        .no = no,
        .scope = { .dialect = DIALECT_PULUMI,
                   .level = LEVEL_ORGANIZATION,
                   .org = org },
        .active = true,
        .filters = UINT64_C(1) << filter_find(str_of(filter)),
    };

    if (has_pattern) {
        // A customer, a sum and a list, as hooks of tenants have them.
        int n = snprintf(pattern, sizeof(pattern),
                         "{\"payload\":{\"customer\":[\"c-%" PRIu64 "\"],"
                         "\"total\":[{\"numeric\":[\">\",%" PRIu64 "]}],"
                         "\"items\":{\"sku\":[{\"prefix\":\"s-\"}]}}}",
                         no, no % 100);

        hook.pattern = (struct str){ pattern, (size_t)n };
    }
    if (!match_index_put(index, &hook, NULL))
        abort();
}

// The hooks that have the event's filter lie evenly among the others.
static void index_fill(struct match_index *index, uint64_t n_hooks,
                       uint64_t n_wanted, uint64_t n_others, bool has_patterns)
{
    for (uint64_t i = 0; i < n_hooks; i++) {
        bool is_wanted = i * n_wanted % n_hooks < n_wanted;

        hook_put(index, i + 1, STR("acme"),
                 is_wanted ? "update_failed" : "stack_created",
                 has_patterns && is_wanted);
    }
    for (uint64_t i = 0; i < n_others; i++) {
        char name[32];
        int n = snprintf(name, sizeof(name), "other-%" PRIu64, i / 2);

        hook_put(index, n_hooks + i + 1, (struct str){ name, (size_t)n },
                 "update_failed", false);
    }
}

struct matching {
    const struct match_index *index;
    struct event_facts facts;
    uint64_t n_matches;
    bool has_patterns;
};

static void on_match(void *data, uint64_t hook_id, void *runtime)
{
    struct matching *m = data;

    (void)runtime;
    m->n_matches +=
        !m->has_patterns || match_holds(m->index, hook_id, &m->facts);
}

static void match_one(struct matching *m, const struct event *event)
{
    event_facts_begin(&m->facts, event);
    match_event(m->index, event, on_match, m);
    event_facts_end(&m->facts);
}

// About 1 KB.
static void payload_put(struct buf *out)
{
    buf_puts(out, "{\"customer\":\"c-5\",\"total\":250.5,\"currency\":"
                  "\"EUR\",\"items\":[");
    for (int i = 0; i < 10; i++) {
        buf_printf(out,
                   "%s{\"sku\":\"s-%d\",\"name\":\"a thing with a name\","
                   "\"price\":%d.50,\"count\":%d,\"tags\":[\"a\",\"b\"]}",
                   i > 0 ? "," : "", i, 10 * i, i);
    }
    buf_puts(out, "],\"address\":{\"street\":\"1 Long Street\",\"city\":"
                  "\"Vienna\",\"zip\":\"1010\"},\"paid\":true}");
}

// A match is too short to be measured in microseconds, so the histogram, whose unit is
// the microsecond, gets nanoseconds.
static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// Nanoseconds of processor time an event, without a look at the clock for each, which
// takes as long as a match.
static double mean_of(struct matching *m, const struct event *event,
                      uint64_t n_events)
{
    clock_t before = clock();

    for (uint64_t i = 0; i < n_events; i++)
        match_one(m, event);
    return (double)(clock() - before) * 1e9 / CLOCKS_PER_SEC / (double)n_events;
}

int main(int argc, char **argv)
{
    uint64_t n_hooks = 10000;
    uint64_t n_wanted = 0;
    uint64_t n_others = 0;
    uint64_t n_events = 100000;
    uint64_t has_patterns = 0;
    struct buf payload;
    const struct arg args[] = {
        { "--hooks", "of the organization", &n_hooks, 1, 1000000, NULL },
        { "--wanted", "hooks with the event's filter; 0: a hundredth",
          &n_wanted, 0, 1000000, NULL },
        { "--others", "hooks of others", &n_others, 0, 1000000, NULL },
        { "--patterns", "1: hooks with the event's filter have one",
          &has_patterns, 0, 1, NULL },
        { "--events", "to match", &n_events, 1, 100000000, NULL },
    };
    struct event event = { .position = { { 0, 0, 0, 0, 0, 0, 0, 1 } },
                           .dialect = DIALECT_PULUMI,
                           .kind = STR("stack_update"),
                           .org = STR("acme"),
                           .project = STR("web"),
                           .stack = STR("prod"),
                           .accepted_at_us = 1 };
    struct matching m = { .index = NULL };
    struct match_index *index = match_index_new();
    struct histogram *times = xcalloc(1, sizeof(*times));
    uint64_t n_matches;
    double mean_ns;

    histogram_reset(times);
    args_read(argc, argv, args, sizeof(args) / sizeof(args[0]));
    event.filters = UINT64_C(1) << filter_find(STR("update_failed"));
    if (n_wanted == 0)
        n_wanted = (n_hooks + WANTED_ONE_OF - 1) / WANTED_ONE_OF;
    if (n_wanted > n_hooks)
        n_wanted = n_hooks;
    buf_init(&payload, 0);
    payload_put(&payload);
    event.payload = buf_str(&payload);
    m.has_patterns = has_patterns != 0;
    m.index = index;
    index_fill(index, n_hooks, n_wanted, n_others, m.has_patterns);
    for (uint64_t i = 0; i < n_events; i++) {
        int64_t before_ns = now_ns();

        match_one(&m, &event);
        histogram_put(times, now_ns() - before_ns);
    }
    assert(n_events > 0); // the option's limit
    n_matches = m.n_matches;
    mean_ns = mean_of(&m, &event, n_events);
    printf("{\"hooks\":%" PRIu64 ",\"others\":%" PRIu64 ",\"matches\":%" PRIu64
           ",\"p50_ns\":%" PRId64 ",\"p99_ns\":%" PRId64 ",\"mean_ns\":%.1f}\n",
           n_hooks, n_others, n_matches / n_events,
           histogram_percentile(times, 50), histogram_percentile(times, 99),
           mean_ns);
    event_facts_clear(&m.facts);
    match_index_free(index);
    buf_clear(&payload);
    free(times);
    return 0;
}
