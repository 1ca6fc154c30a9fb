// SPDX-License-Identifier: MIT
// fuzz_match.c — which hooks want an event: the index gives the same result as checking each
// hook, whatever was put, replaced and removed before.
//
// Input: steps of a few bytes each.

#include <string.h>

#include "common/model/event_kinds.h"
#include "common/model/operator.h"
#include "engine/delivery/match.h"
#include "tests/fuzz/fuzz.h"

#define HOOKS    32
#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct str orgs[] = { { "acme", 4 },
                                   { "b", 1 },
                                   { OPERATOR_ORG, sizeof(OPERATOR_ORG) - 1 } };
static const struct str names[] = { { "", 0 }, { "web", 3 }, { "prod", 4 } };
static const struct str kinds[] = {
    { "stack_update", 12 },
    { "deployment", 10 },
    { "team", 4 },
    { "order.created", 13 },
    { "order.paid.late", 15 },
    { "order", 5 },
    { "order/create", 12 },
    { "Order.created", 13 },
    { "s3:Object:Put", 13 },
    { "posthorn.hook.failing", 21 },
    { "posthorn.hook.dead", 18 },
};
static const struct str patterns[] = {
    { "order.*", 7 },       { "order.created", 13 },
    { "order.paid.*", 12 }, { "posthorn.hook.failing", 21 },
    { "posthorn.*", 10 },   { "posthorn.hook.*", 15 },
    { "order/*", 7 },       { "s3:*", 4 },
    { "s3:Object:*", 11 },  { "Order.*", 7 },
};

struct stored {
    bool is_there;
    struct hook hook;
    struct str kinds[3];
};

static struct stored hooks[HOOKS];

static void set_scope(struct hook_scope *scope, struct str *input)
{
    static const enum hook_level levels[] = { LEVEL_ORGANIZATION, LEVEL_STACK,
                                              LEVEL_ENVIRONMENT,
                                              LEVEL_PROJECT };
    uint8_t choice = take_u8(input);

    scope->level = levels[choice & 3];
    scope->dialect =
        scope->level == LEVEL_PROJECT ? DIALECT_AKINON : DIALECT_PULUMI;
    scope->org = orgs[(choice >> 2) % N(orgs)];
    if (scope->level != LEVEL_ORGANIZATION)
        scope->project = names[1 + (choice >> 4 & 1)];
    if (scope->level == LEVEL_STACK || scope->level == LEVEL_ENVIRONMENT)
        scope->target = names[1 + (choice >> 5 & 1)];
}

static void put(struct match_index *idx, struct str *input)
{
    uint8_t no = take_u8(input) % HOOKS;
    struct stored *s = &hooks[no];
    uint8_t flags = take_u8(input);

    *s = (struct stored){ .is_there = true };
    s->hook.no = no;
    s->hook.active = (flags & 1) != 0;
    s->hook.is_operator = (flags & 2) != 0;
    s->hook.from.bytes[7] = flags >> 4;
    set_scope(&s->hook.scope, input);
    if ((flags & 4) != 0)
        s->hook.filters = take_u64(input) & ((UINT64_C(1) << n_filters) - 1);
    if ((flags & 8) != 0)
        s->hook.groups = take_u8(input) & ((1U << GROUPS) - 1);
    s->hook.kinds = s->kinds;
    s->hook.n_kinds = take_u8(input) % 4;
    for (size_t i = 0; i < s->hook.n_kinds; i++) {
        uint8_t choice = take_u8(input);

        // Akinon's hooks name kinds only.
        s->kinds[i] = s->hook.scope.dialect == DIALECT_AKINON
                          ? kinds[choice % N(kinds)]
                          : patterns[choice % N(patterns)];
    }
    CHECK(match_index_put(idx, &s->hook, s));
}

static bool is_of_scope(const struct hook_scope *scope, const struct event *e)
{
    if (scope->dialect != e->dialect || !str_eq(scope->org, e->org))
        return false;
    switch (scope->level) {
    case LEVEL_ORGANIZATION:
        return true;
    case LEVEL_PROJECT:
        return str_eq(scope->project, e->project);
    case LEVEL_STACK:
        return e->stack.n_bytes > 0 && str_eq(scope->project, e->project) &&
               str_eq(scope->target, e->stack);
    case LEVEL_ENVIRONMENT:
        return e->env.n_bytes > 0 && str_eq(scope->project, e->project) &&
               str_eq(scope->target, e->env);
    }
    return false;
}

static bool names_kind(const struct hook *h, struct str kind)
{
    for (size_t i = 0; i < h->n_kinds; i++) {
        if (h->scope.dialect == DIALECT_AKINON
                ? str_eq(kind, h->kinds[i])
                : kind_matches(kind, h->kinds[i]))
            return true;
    }
    return false;
}

static bool is_at_level(size_t filter, enum hook_level level)
{
    static const unsigned bits[] = { [LEVEL_ORGANIZATION] = LEVEL_BIT_ORG,
                                     [LEVEL_STACK] = LEVEL_BIT_STACK,
                                     [LEVEL_ENVIRONMENT] = LEVEL_BIT_ENV };

    return (filters[filter].levels & bits[level]) != 0;
}

static bool names_filter(const struct hook *h, const struct event *e)
{
    for (size_t f = 0; f < n_filters; f++) {
        if ((e->filters >> f & 1) != 0 && is_at_level(f, h->scope.level) &&
            ((h->filters >> f & 1) != 0 ||
             (h->groups >> filters[f].group & 1) != 0))
            return true;
    }
    return false;
}

// Whether a hook wants an event, by the rules in match.h.
static bool wants(const struct hook *h, const struct event *e)
{
    int group = kind_group(e->kind);

    if (operator_is_org(h->scope.org) && !h->is_operator)
        return false;
    if (!h->active || !is_of_scope(&h->scope, e) ||
        position_cmp(e->position, h->from) <= 0)
        return false;
    if (names_kind(h, e->kind))
        return true;
    if (h->scope.dialect == DIALECT_AKINON)
        return false;
    if (h->filters == 0 && h->groups == 0 && h->n_kinds == 0)
        return !kind_is_own(e->kind) || operator_is_org(h->scope.org);
    if (names_filter(h, e))
        return true;
    return e->filters == 0 && group >= 0 && (h->groups >> group & 1) != 0;
}

struct seen {
    bool is_seen[HOOKS];
    size_t n;
};

static void on_match(void *data, uint64_t hook_id, void *runtime)
{
    struct seen *seen = data;

    CHECK(hook_id < HOOKS && runtime == &hooks[hook_id]);
    CHECK(!seen->is_seen[hook_id]);
    seen->is_seen[hook_id] = true;
    seen->n++;
}

static void match(const struct match_index *idx, struct str *input)
{
    uint8_t flags = take_u8(input), choice = take_u8(input);
    struct event e = { .dialect =
                           (flags & 1) != 0 ? DIALECT_AKINON : DIALECT_PULUMI,
                       .org = orgs[(flags >> 1 & 3) % N(orgs)],
                       .project = names[(flags >> 3 & 3) % N(names)],
                       .stack = names[(flags >> 5 & 3) % N(names)],
                       .env = names[(choice & 3) % N(names)],
                       .kind = kinds[(choice >> 2 & 15) % N(kinds)] };
    struct seen seen = { .n = 0 };
    int group = kind_group(e.kind);

    e.position.bytes[7] = take_u8(input) & 15;
    // The filters of an event are of the group of its kind.
    if (group >= 0 && e.dialect == DIALECT_PULUMI)
        e.filters = take_u64(input) & group_filters((enum group)group);
    CHECK(match_event(idx, &e, on_match, &seen) == seen.n);
    for (size_t i = 0; i < HOOKS; i++) {
        CHECK(seen.is_seen[i] ==
              (hooks[i].is_there && wants(&hooks[i].hook, &e)));
    }
}

void fuzz_one(struct str input)
{
    struct match_index *idx = match_index_new();

    memset(hooks, 0, sizeof(hooks));
    while (input.n_bytes > 0) {
        uint8_t step = take_u8(&input);

        if (step % 8 == 0) {
            uint8_t no = take_u8(&input) % HOOKS;

            match_index_remove(idx, no);
            hooks[no].is_there = false;
        } else if (step % 8 < 4) {
            put(idx, &input);
        } else {
            match(idx, &input);
        }
    }
    match_index_free(idx);
}

// A seed of different bytes, from which libFuzzer can see the effect of each.
bool fuzz_seed(size_t i, struct buf *out)
{
    uint32_t chance = (uint32_t)i + 1;

    if (i >= 8)
        return false;
    for (size_t n = 0; n < 64 + i * 64; n++) {
        chance = chance * 1664525 + 1013904223;
        buf_putc(out, (char)(chance >> 24));
    }
    return true;
}
