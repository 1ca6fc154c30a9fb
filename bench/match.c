// SPDX-License-Identifier: MIT
// match.c — how long an event takes to find its hooks.
//
// One organization has many hooks, each with a filter; a hundredth of the hooks, or as
// many as --wanted says, have the event's filter. The index also has hooks of other organizations, which must cost
// nothing. Every event is timed by itself.

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/args.h"
#include "common/base/histogram.h"
#include "common/base/mem.h"
#include "common/model/event_kinds.h"
#include "engine/delivery/match.h"

#define WANTED_ONE_OF 100

static void hook_put(struct match_index *index, uint64_t no, struct str org,
                     const char *filter)
{
    struct hook hook = {
        .no = no,
        .scope = { .dialect = DIALECT_PULUMI,
                   .level = LEVEL_ORGANIZATION,
                   .org = org },
        .active = true,
        .filters = UINT64_C(1) << filter_find(str_of(filter)),
    };

    match_index_put(index, &hook, NULL);
}

// The hooks that have the event's filter lie evenly among the others.
static void index_fill(struct match_index *index, uint64_t n_hooks,
                       uint64_t n_wanted, uint64_t n_others)
{
    for (uint64_t i = 0; i < n_hooks; i++) {
        hook_put(index, i + 1, STR("acme"),
                 i * n_wanted % n_hooks < n_wanted ? "update_failed"
                                                   : "stack_created");
    }
    for (uint64_t i = 0; i < n_others; i++) {
        char name[32];
        int n = snprintf(name, sizeof(name), "other-%" PRIu64, i / 2);

        hook_put(index, n_hooks + i + 1, (struct str){ name, (size_t)n },
                 "update_failed");
    }
}

static void on_match(void *data, uint64_t hook_id, void *runtime)
{
    (void)hook_id;
    (void)runtime;
    (*(uint64_t *)data)++;
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
static double mean_of(const struct match_index *index,
                      const struct event *event, uint64_t n_events)
{
    clock_t before = clock();
    uint64_t n_matches = 0;

    for (uint64_t i = 0; i < n_events; i++)
        match_event(index, event, on_match, &n_matches);
    return (double)(clock() - before) * 1e9 / CLOCKS_PER_SEC / (double)n_events;
}

int main(int argc, char **argv)
{
    uint64_t n_hooks = 10000;
    uint64_t n_wanted = 0;
    uint64_t n_others = 0;
    uint64_t n_events = 100000;
    const struct arg args[] = {
        { "--hooks", "of the organization", &n_hooks, 1, 1000000, NULL },
        { "--wanted", "hooks with the event's filter; 0: a hundredth",
          &n_wanted, 0, 1000000, NULL },
        { "--others", "hooks of others", &n_others, 0, 1000000, NULL },
        { "--events", "to match", &n_events, 1, 100000000, NULL },
    };
    struct event event = { .position = { { 0, 0, 0, 0, 0, 0, 0, 1 } },
                           .dialect = DIALECT_PULUMI,
                           .kind = STR("stack_update"),
                           .org = STR("acme"),
                           .project = STR("web"),
                           .stack = STR("prod"),
                           .accepted_at_us = 1 };
    struct match_index *index = match_index_new();
    struct histogram *times = xcalloc(1, sizeof(*times));
    uint64_t n_matches = 0;
    double mean_ns;

    histogram_reset(times);
    args_read(argc, argv, args, sizeof(args) / sizeof(args[0]));
    event.filters = UINT64_C(1) << filter_find(STR("update_failed"));
    if (n_wanted == 0)
        n_wanted = (n_hooks + WANTED_ONE_OF - 1) / WANTED_ONE_OF;
    if (n_wanted > n_hooks)
        n_wanted = n_hooks;
    index_fill(index, n_hooks, n_wanted, n_others);
    for (uint64_t i = 0; i < n_events; i++) {
        int64_t before_ns = now_ns();

        match_event(index, &event, on_match, &n_matches);
        histogram_put(times, now_ns() - before_ns);
    }
    assert(n_events > 0); // the option's limit
    mean_ns = mean_of(index, &event, n_events);
    printf("{\"hooks\":%" PRIu64 ",\"others\":%" PRIu64 ",\"matches\":%" PRIu64
           ",\"p50_ns\":%" PRId64 ",\"p99_ns\":%" PRId64 ",\"mean_ns\":%.1f}\n",
           n_hooks, n_others, n_matches / n_events,
           histogram_percentile(times, 50), histogram_percentile(times, 99),
           mean_ns);
    match_index_free(index);
    free(times);
    return 0;
}
