// SPDX-License-Identifier: MIT
// test_match.c — which hooks want an event.

#include <string.h>

#include "common/model/event_kinds.h"
#include "engine/delivery/match.h"
#include "tests/support/unit.h"

#define SEEN_MAX 64
#define BIT(n)   (UINT64_C(1) << (n))
#define AT(n)    ((struct position){ { [7] = (uint8_t)(n) } })

// The numbers of the hooks that matched, sorted; and whether `runtime` was that of the
// hook.
struct seen {
    uint64_t nos[SEEN_MAX];
    size_t n;
};

static char runtimes[SEEN_MAX];

static void on_match(void *data, uint64_t hook_id, void *runtime)
{
    struct seen *seen = data;
    size_t i = seen->n++;

    assert_true(seen->n <= SEEN_MAX);
    assert_true(hook_id < SEEN_MAX);
    assert_ptr_equal(runtime, &runtimes[hook_id]);
    for (; i > 0 && seen->nos[i - 1] > hook_id; i--)
        seen->nos[i] = seen->nos[i - 1];
    seen->nos[i] = hook_id;
}

// "3 5 12"
static void assert_matches(const struct match_index *idx,
                           const struct event *event, const char *expected)
{
    struct seen seen = { .n = 0 };
    struct buf text;
    size_t n;

    buf_init(&text, 0);
    n = match_event(idx, event, on_match, &seen);
    assert_int_equal(n, seen.n);
    for (size_t i = 0; i < seen.n; i++)
        buf_printf(&text, "%s%ju", i > 0 ? " " : "", (uintmax_t)seen.nos[i]);
    if (strcmp(buf_cstr(&text), expected) != 0) {
        fail_msg("%.*s filters %jx: \"%s\", not \"%s\"", STR_ARG(event->kind),
                 (uintmax_t)event->filters, buf_cstr(&text), expected);
    }
    buf_clear(&text);
}

static void put(struct match_index *idx, const struct hook *hook)
{
    assert_true(match_index_put(idx, hook, &runtimes[hook->no]));
}

static struct hook_scope org_of(const char *org)
{
    return (struct hook_scope){ .dialect = DIALECT_PULUMI,
                                .level = LEVEL_ORGANIZATION,
                                .org = str_of(org) };
}

static struct hook_scope below(enum hook_level level, const char *org,
                               const char *project, const char *target)
{
    return (struct hook_scope){ .dialect = level == LEVEL_PROJECT
                                               ? DIALECT_AKINON
                                               : DIALECT_PULUMI,
                                .level = level,
                                .org = str_of(org),
                                .project = str_of(project),
                                .target = str_of(target) };
}

// An event of every level: it names a stack and an environment.
static struct event event_of(const char *kind, uint64_t filter_bits)
{
    return (struct event){ .dialect = DIALECT_PULUMI,
                           .position = AT(6),
                           .filters = filter_bits,
                           .kind = str_of(kind),
                           .org = STR("acme"),
                           .project = STR("web"),
                           .stack = STR("prod"),
                           .env = STR("staging") };
}

// --- the table ---

static const struct {
    enum hook_level level;
    unsigned bit;
    const char *target;
} levels[] = {
    { LEVEL_ORGANIZATION, LEVEL_BIT_ORG, "" },
    { LEVEL_STACK, LEVEL_BIT_STACK, "prod" },
    { LEVEL_ENVIRONMENT, LEVEL_BIT_ENV, "staging" },
};

// What a hook asks for, relative to an event with the filter `f`.
enum wish { OWN_FILTER, OWN_GROUP, OTHER_FILTER, OTHER_GROUP, NOTHING, WISHES };

static void set_wish(struct hook *hook, enum wish wish, size_t f)
{
    enum group other =
        filters[f].group == GROUP_STACKS ? GROUP_ENVIRONMENTS : GROUP_STACKS;

    switch (wish) {
    case OWN_FILTER:
        hook->filters = BIT(f);
        break;
    case OWN_GROUP:
        hook->groups = BIT(filters[f].group);
        break;
    case OTHER_FILTER:
        hook->filters = BIT((f + 1) % n_filters) | BIT((f + 7) % n_filters);
        break;
    case OTHER_GROUP:
        hook->groups = BIT(other);
        break;
    case NOTHING:
    case WISHES:
        break;
    }
}

// Hooks 1…15: each wish at each level, relative to filter `f`.
static struct match_index *index_of_wishes(size_t f)
{
    struct match_index *idx = match_index_new();

    for (size_t l = 0; l < 3; l++) {
        for (int wish = 0; wish < WISHES; wish++) {
            struct hook hook = { .no = 1 + l * WISHES + (size_t)wish,
                                 .active = true,
                                 .scope = org_of("acme") };

            if (levels[l].level != LEVEL_ORGANIZATION) {
                hook.scope =
                    below(levels[l].level, "acme", "web", levels[l].target);
            }
            set_wish(&hook, (enum wish)wish, f);
            put(idx, &hook);
        }
    }
    return idx;
}

static void assert_wishes(size_t f, bool has_filter)
{
    struct match_index *idx = index_of_wishes(f);
    struct event event = event_of(filters[f].kind, has_filter ? BIT(f) : 0);
    struct buf expected;

    buf_init(&expected, 0);
    for (size_t l = 0; l < 3; l++) {
        bool is_told = (filters[f].levels & levels[l].bit) != 0;

        if (has_filter && is_told)
            buf_printf(&expected, " %zu", 1 + l * WISHES + OWN_FILTER);
        if (!has_filter || is_told)
            buf_printf(&expected, " %zu", 1 + l * WISHES + OWN_GROUP);
        buf_printf(&expected, " %zu", 1 + l * WISHES + NOTHING);
    }
    assert_matches(idx, &event, buf_cstr(&expected) + 1);
    buf_clear(&expected);
    match_index_free(idx);
}

static void every_filter_reaches_its_levels_and_its_group(void **state)
{
    (void)state;
    for (size_t f = 0; f < n_filters; f++)
        assert_wishes(f, true);
}

static void an_event_without_filter_reaches_its_group(void **state)
{
    (void)state;
    for (size_t f = 0; f < n_filters; f++)
        assert_wishes(f, false);
}

static void two_filters_of_one_event_deliver_once(void **state)
{
    struct match_index *idx = match_index_new();
    uint64_t bits = BIT(filter_find(STR("drift_detected"))) |
                    BIT(filter_find(STR("drift_detection_succeeded")));
    struct hook hook = { .no = 1, .active = true, .scope = org_of("acme") };
    struct event event = event_of("drift_detection", bits);

    (void)state;
    hook.filters = bits;
    hook.groups = BIT(GROUP_DEPLOYMENTS) | BIT(GROUP_STACKS);
    put(idx, &hook);
    assert_matches(idx, &event, "1");
    match_index_free(idx);
}

static void a_kind_without_group_reaches_who_wants_all(void **state)
{
    struct match_index *idx = index_of_wishes(0);
    struct event event = event_of("team", 0);

    (void)state;
    event.project = event.stack = event.env = STR_EMPTY;
    assert_matches(idx, &event, "5"); // the organization's
    match_index_free(idx);
}

// --- scopes ---

static void an_event_reaches_its_own_scopes_only(void **state)
{
    const struct hook_scope scopes[] = {
        org_of("acme"),                                   // 0
        org_of("acm"),                                    // 1
        below(LEVEL_STACK, "acme", "web", "prod"),        // 2
        below(LEVEL_STACK, "acme", "web", "staging"),     // 3
        below(LEVEL_STACK, "acme", "api", "prod"),        // 4
        below(LEVEL_STACK, "other", "web", "prod"),       // 5
        below(LEVEL_ENVIRONMENT, "acme", "web", "prod"),  // 6
        below(LEVEL_ENVIRONMENT, "acme", "web", "local"), // 7
        below(LEVEL_STACK, "acme", "we", "bprod"),        // 8
        below(LEVEL_PROJECT, "acme", "web", ""),          // 9: Akinon
    };
    struct match_index *idx = match_index_new();
    struct event event = event_of("stack_update", BIT(5));

    (void)state;
    for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
        struct hook hook = { .no = i, .active = true, .scope = scopes[i] };

        put(idx, &hook);
    }
    event.env = STR_EMPTY;
    assert_matches(idx, &event, "0 2");
    event.stack = STR_EMPTY;
    event.env = STR("prod");
    assert_matches(idx, &event, "0 6");
    event.stack = STR("prod");
    assert_matches(idx, &event, "0 2 6");
    event.org = STR("acm");
    assert_matches(idx, &event, "1");
    event.org = STR("nobody");
    assert_matches(idx, &event, "");
    match_index_free(idx);
}

static void akinon_goes_by_equal_kinds_in_its_project(void **state)
{
    struct str kinds[] = { STR("deployment.build.created"),
                           STR("distribution.*") };
    struct match_index *idx = match_index_new();
    struct hook hook = { .no = 1,
                         .active = true,
                         .scope = below(LEVEL_PROJECT, "acme", "web", ""),
                         .kinds = kinds,
                         .n_kinds = 2 };
    struct event event = event_of("deployment.build.created", 0);

    (void)state;
    put(idx, &hook);
    hook.no = 2; // another project
    hook.scope.project = STR("app");
    put(idx, &hook);
    hook.no = 3; // Pulumi's, of the same name
    hook.scope = org_of("acme");
    put(idx, &hook);
    hook.no = 4; // without kinds
    hook.scope = below(LEVEL_PROJECT, "acme", "web", "");
    hook.n_kinds = 0;
    put(idx, &hook);

    assert_matches(idx, &event, "3");
    event.dialect = DIALECT_AKINON;
    event.stack = event.env = STR_EMPTY;
    assert_matches(idx, &event, "1");
    event.kind = STR("distribution.created"); // no stars
    assert_matches(idx, &event, "");
    event.dialect = DIALECT_PULUMI;
    assert_matches(idx, &event, "3");
    match_index_free(idx);
}

// --- custom kinds ---

static void custom_kinds_match_by_name_and_beginning(void **state)
{
    static const struct {
        const char *kinds[4];
        uint64_t filters;
        uint64_t groups;
    } wishes[] = {
        { { "order.created" }, 0, 0 }, // 0
        { { "order.*" }, 0, 0 },       // 1
        { { "order.item.*" }, 0, 0 },  // 2
        { { "order.created", "order.*", "order.item.*", "order.created" },
          0,
          0 },                                           // 3
        { { "order.item.added", "user.*" }, BIT(5), 0 }, // 4
        { { NULL }, BIT(5), 0 },                         // 5
        { { NULL }, 0, BIT(GROUP_STACKS) },              // 6
        { { NULL }, 0, 0 },                              // 7
        { { "user.*" }, 0, BIT(GROUP_STACKS) },          // 8
    };
    struct match_index *idx = match_index_new();
    struct event event;

    (void)state;
    for (size_t i = 0; i < sizeof(wishes) / sizeof(*wishes); i++) {
        struct str kinds[4];
        struct hook hook = { .no = i,
                             .active = true,
                             .scope = org_of("acme"),
                             .filters = wishes[i].filters,
                             .groups = wishes[i].groups,
                             .kinds = kinds };

        for (size_t k = 0; k < 4 && wishes[i].kinds[k] != NULL; k++)
            kinds[hook.n_kinds++] = str_of(wishes[i].kinds[k]);
        put(idx, &hook);
    }
    event = event_of("order.created", 0);
    assert_matches(idx, &event, "0 1 3 7");
    event = event_of("order.item.added", 0);
    assert_matches(idx, &event, "1 2 3 4 7");
    event = event_of("order.item", 0);
    assert_matches(idx, &event, "1 3 7");
    event = event_of("orders.created", 0);
    assert_matches(idx, &event, "7");
    event = event_of("user.left", 0);
    assert_matches(idx, &event, "4 7 8");
    event = event_of("stack_update", BIT(5));
    assert_matches(idx, &event, "4 5 6 7 8");
    event = event_of("stack_update", 0);
    assert_matches(idx, &event, "6 7 8");
    match_index_free(idx);
}

// --- life ---

static void inactive_hooks_get_nothing(void **state)
{
    struct match_index *idx = match_index_new();
    struct hook hook = { .no = 1, .scope = org_of("acme") };
    struct event event = event_of("stack_update", BIT(5));

    (void)state;
    put(idx, &hook);
    assert_matches(idx, &event, "");
    hook.active = true;
    put(idx, &hook);
    assert_matches(idx, &event, "1");
    hook.active = false;
    put(idx, &hook);
    assert_matches(idx, &event, "");
    match_index_free(idx);
}

static void events_from_before_the_hook_are_not_for_it(void **state)
{
    struct str kinds[] = { STR("order.*") };
    struct match_index *idx = match_index_new();
    struct hook hook = {
        .no = 1, .active = true, .scope = org_of("acme"), .from = AT(5)
    };
    struct event event = event_of("stack_update", BIT(5));

    (void)state;
    put(idx, &hook);
    hook.no = 2;
    hook.kinds = kinds;
    hook.n_kinds = 1;
    put(idx, &hook);
    assert_matches(idx, &event, "1");
    event.position = AT(5);
    assert_matches(idx, &event, "");
    event.kind = STR("order.created");
    event.filters = 0;
    assert_matches(idx, &event, "");
    event.position = AT(6);
    assert_matches(idx, &event, "1 2");
    match_index_free(idx);
}

static void put_replaces_and_remove_forgets(void **state)
{
    struct str kinds[] = { STR("a.b"), STR("a.*") };
    struct match_index *idx = match_index_new();
    struct hook hook = { .no = 1,
                         .active = true,
                         .scope = org_of("acme"),
                         .kinds = kinds,
                         .n_kinds = 2 };
    struct event custom = event_of("a.b", 0);
    struct event update = event_of("stack_update", BIT(5));

    (void)state;
    put(idx, &hook);
    put(idx, &hook);
    assert_matches(idx, &custom, "1");
    assert_matches(idx, &update, "");
    hook.n_kinds = 0;
    hook.filters = BIT(5);
    put(idx, &hook);
    assert_matches(idx, &custom, "");
    assert_matches(idx, &update, "1");
    hook.scope = org_of("other"); // moves
    put(idx, &hook);
    assert_matches(idx, &update, "");
    update.org = STR("other");
    assert_matches(idx, &update, "1");
    match_index_remove(idx, 1);
    match_index_remove(idx, 1); // not there
    assert_matches(idx, &update, "");
    match_index_free(idx);
    match_index_free(NULL);
}

static void unknown_filter_bits_are_no_filters(void **state)
{
    struct match_index *idx = index_of_wishes(5);
    struct event event = event_of("stack_update", BIT(63) | BIT(56));

    (void)state;
    assert_matches(idx, &event, "2 5 7 10 12 15"); // as without a filter
    match_index_free(idx);
}

// --- against the rule itself ---

static uint32_t below_n(uint32_t *r, uint32_t n)
{
    *r = *r * 1664525U + 1013904223U;
    return (*r >> 8) % n;
}

static bool wants(const struct hook *hook, const struct event *event)
{
    bool is_akinon = hook->scope.dialect == DIALECT_AKINON;
    uint64_t group_bits = 0;

    if (!hook->active || hook->scope.dialect != event->dialect ||
        !str_eq(hook->scope.org, event->org) ||
        position_cmp(event->position, hook->from) <= 0)
        return false;
    if (hook->scope.level != LEVEL_ORGANIZATION &&
        !str_eq(hook->scope.project, event->project))
        return false;
    if (hook->scope.level == LEVEL_STACK &&
        !str_eq(hook->scope.target, event->stack))
        return false;
    if (hook->scope.level == LEVEL_ENVIRONMENT &&
        !str_eq(hook->scope.target, event->env))
        return false;
    for (size_t i = 0; i < hook->n_kinds; i++) {
        if (is_akinon ? str_eq(event->kind, hook->kinds[i])
                      : kind_matches(event->kind, hook->kinds[i]))
            return true;
    }
    if (is_akinon)
        return false;
    if (hook->filters == 0 && hook->groups == 0)
        return hook->n_kinds == 0;
    for (unsigned g = 0; g < GROUPS; g++) {
        if ((hook->groups & BIT(g)) != 0)
            group_bits |= group_filters((enum group)g);
    }
    if (event->filters != 0)
        return (event->filters & (hook->filters | group_bits)) != 0;
    return kind_group(event->kind) >= 0 &&
           (hook->groups & BIT((unsigned)kind_group(event->kind))) != 0;
}

static const struct {
    const char *kind;
    uint64_t filter_bits;
} random_events[] = {
    { "stack_update", BIT(5) },
    { "stack_update", 0 },
    { "deployment", BIT(13) },
    { "drift_detection", BIT(17) | BIT(18) },
    { "environment_tag", BIT(31) },
    { "team", 0 },
    { "a.b", 0 },
    { "a.b.c", 0 },
    { "a.c", 0 },
    { "b.c", 0 },
};

static struct event random_event(uint32_t *r)
{
    static const char *const names[] = { "x", "y" };
    uint32_t i = below_n(r, sizeof(random_events) / sizeof(*random_events));
    struct event event =
        event_of(random_events[i].kind, random_events[i].filter_bits);

    event.position = AT(1 + below_n(r, 10));
    event.dialect = below_n(r, 4) == 0 ? DIALECT_AKINON : DIALECT_PULUMI;
    event.org = str_of(names[below_n(r, 2)]);
    event.project = str_of(names[below_n(r, 2)]);
    event.stack = below_n(r, 2) == 0 ? STR("x") : STR_EMPTY;
    event.env = below_n(r, 2) == 0 ? STR("x") : STR_EMPTY;
    if (event.dialect == DIALECT_AKINON)
        event.stack = event.env = STR_EMPTY;
    return event;
}

static struct hook random_hook(uint32_t *r, struct str kinds[3])
{
    static const char *const names[] = { "x", "y" };
    static const char *const patterns[] = { "a.b", "a.*",   "a.b.*",
                                            "b.c", "a.b.c", "b.*" };
    const uint64_t bits[] = { 0, BIT(5), BIT(13) | BIT(18), BIT(31) };
    struct hook hook = { .active = below_n(r, 8) > 0,
                         .from = AT(below_n(r, 6)),
                         .kinds = kinds };

    hook.scope.level = (enum hook_level)(1 + below_n(r, 4));
    hook.scope.dialect =
        hook.scope.level == LEVEL_PROJECT ? DIALECT_AKINON : DIALECT_PULUMI;
    hook.scope.org = str_of(names[below_n(r, 2)]);
    if (hook.scope.level != LEVEL_ORGANIZATION)
        hook.scope.project = str_of(names[below_n(r, 2)]);
    if (hook.scope.level == LEVEL_STACK ||
        hook.scope.level == LEVEL_ENVIRONMENT)
        hook.scope.target = str_of(names[below_n(r, 2)]);
    hook.filters = bits[below_n(r, 4)];
    hook.groups = below_n(r, 3) == 0 ? BIT(below_n(r, 2)) : 0;
    // Only filters that the API allows at the level.
    if (hook.scope.level == LEVEL_ENVIRONMENT)
        hook.filters = hook.groups = 0;
    if (hook.scope.level == LEVEL_STACK)
        hook.filters &= ~BIT(31);
    hook.n_kinds = below_n(r, 4);
    for (size_t i = 0; i < hook.n_kinds; i++)
        kinds[i] = str_of(patterns[below_n(r, 6)]);
    return hook;
}

static void any_sequence_of_changes_matches_as_the_rule_says(void **state)
{
    uint32_t r = 42;
    struct match_index *idx = match_index_new();
    struct hook hooks[SEEN_MAX] = { 0 };
    struct str kinds[SEEN_MAX][3];
    size_t n_matches = 0;

    (void)state;
    for (size_t round = 0; round < 20000; round++) {
        uint32_t no = below_n(&r, SEEN_MAX);
        struct event event = random_event(&r);
        struct buf expected;

        if (below_n(&r, 4) == 0) {
            match_index_remove(idx, no);
            hooks[no].active = false;
        } else {
            hooks[no] = random_hook(&r, kinds[no]);
            hooks[no].no = no;
            put(idx, &hooks[no]);
        }
        buf_init(&expected, 0);
        for (size_t i = 0; i < SEEN_MAX; i++) {
            if (!wants(&hooks[i], &event))
                continue;
            buf_printf(&expected, "%s%zu", expected.n_bytes > 0 ? " " : "", i);
            n_matches++;
        }
        assert_matches(idx, &event, buf_cstr(&expected));
        buf_clear(&expected);
    }
    assert_true(n_matches > 20000); // the test is not empty
    match_index_free(idx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_reaches_its_levels_and_its_group),
        cmocka_unit_test(an_event_without_filter_reaches_its_group),
        cmocka_unit_test(two_filters_of_one_event_deliver_once),
        cmocka_unit_test(a_kind_without_group_reaches_who_wants_all),
        cmocka_unit_test(an_event_reaches_its_own_scopes_only),
        cmocka_unit_test(akinon_goes_by_equal_kinds_in_its_project),
        cmocka_unit_test(custom_kinds_match_by_name_and_beginning),
        cmocka_unit_test(inactive_hooks_get_nothing),
        cmocka_unit_test(events_from_before_the_hook_are_not_for_it),
        cmocka_unit_test(put_replaces_and_remove_forgets),
        cmocka_unit_test(unknown_filter_bits_are_no_filters),
        cmocka_unit_test(any_sequence_of_changes_matches_as_the_rule_says),
    };
    return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
