// test_queue_stacks.c — what hooks and events name is there from then on.

#include "tests/queue_fixture.h"

static struct stack_view *view_of(struct fixture *f)
{
    struct stack_view *view;

    assert_int_equal(stack_view_open(&f->config, &view), OK);
    return view;
}

static void append_of(struct fixture *f, enum family family, const char *org,
                      const char *project, const char *stack)
{
    struct new_event e = event_of("stack_update", "{}");
    struct append a;

    e.event.family = family;
    e.event.org = str_of(org);
    e.event.project = str_of(project);
    e.event.stack = str_of(stack);
    assert_int_equal(append(f, &e, 1, &a), OK);
}

static enum err find(struct stack_view *view, const char *org,
                     const char *project, const char *stack)
{
    return stack_find(view, str_of(org), str_of(project), str_of(stack));
}

static bool put_name(void *data, struct str org)
{
    buf_put_str(data, org);
    buf_putc(data, ' ');
    return true;
}

static bool put_one(void *data, struct str org)
{
    buf_put_str(data, org);
    return false;
}

static void expect_orgs(struct stack_view *view, const char *wanted)
{
    struct buf names;

    buf_init(&names, 0);
    assert_int_equal(org_list(view, put_name, &names), OK);
    assert_string_equal(buf_cstr(&names), wanted);
    buf_clear(&names);
}

static void hook_of(struct fixture *f, enum hook_level level, const char *org,
                    const char *project, const char *target)
{
    struct hook h = { .scope = { .family = level == LEVEL_PROJECT
                                               ? FAMILY_AKINON
                                               : FAMILY_PULUMI,
                                 .level = level,
                                 .org = str_of(org),
                                 .project = str_of(project),
                                 .target = str_of(target) },
                      .name = STR("h"),
                      .display_name = STR("h"),
                      .url = STR("http://127.0.0.1/"),
                      .format = FORMAT_RAW };

    assert_int_equal(hook_create(f->hooks, &h), OK);
}

static void events_name_stacks(void **state)
{
    struct fixture *f = *state;
    struct stack_view *view = view_of(f);

    expect_orgs(view, "");
    for (int i = 0; i < 3; i++)
        append_of(f, FAMILY_PULUMI, "acme", "web", "prod");
    append_of(f, FAMILY_PULUMI, "acme", "web", "dev");
    append_of(f, FAMILY_PULUMI, "beta", "", "");
    append_of(f, FAMILY_PULUMI, "gamma", "web", ""); // an environment's
    append_of(f, FAMILY_AKINON, "0123456789abcdef01234567", "p", "s");
    assert_int_equal(find(view, "acme", "web", "prod"), OK);
    assert_int_equal(find(view, "acme", "web", "dev"), OK);
    assert_int_equal(find(view, "acme", "web", "pro"), ERR_NOTFOUND);
    assert_int_equal(find(view, "acme", "webp", "rod"), ERR_NOTFOUND);
    assert_int_equal(find(view, "beta", "web", "prod"), ERR_NOTFOUND);
    assert_int_equal(find(view, "0123456789abcdef01234567", "p", "s"),
                     ERR_NOTFOUND);
    expect_orgs(view, "acme beta gamma ");
}

static void hooks_name_stacks_for_good(void **state)
{
    struct fixture *f = *state;
    struct stack_view *view = view_of(f);
    struct hook_scope scope = { .family = FAMILY_PULUMI,
                                .level = LEVEL_STACK,
                                .org = STR("acme"),
                                .project = STR("web"),
                                .target = STR("prod") };

    hook_of(f, LEVEL_STACK, "acme", "web", "prod");
    hook_of(f, LEVEL_ENVIRONMENT, "beta", "web", "prod");
    hook_of(f, LEVEL_ORGANIZATION, "gamma", "", "");
    hook_of(f, LEVEL_PROJECT, "delta", "web", "");
    assert_int_equal(find(view, "acme", "web", "prod"), OK);
    assert_int_equal(find(view, "beta", "web", "prod"), ERR_NOTFOUND);
    expect_orgs(view, "acme beta gamma ");
    assert_int_equal(hook_delete(f->hooks, &scope, STR("h")), OK);
    assert_int_equal(find(view, "acme", "web", "prod"), OK);
}

static void organizations_of_both_come_once_in_order(void **state)
{
    static const char *const names[] = { "b", "a-b", "a", "a.b", "ab", "B" };
    struct fixture *f = *state;
    struct stack_view *view = view_of(f);
    struct buf one;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (i % 2 == 0)
            append_of(f, FAMILY_PULUMI, names[i], "p", "s");
        if (i % 3 != 1)
            hook_of(f, LEVEL_STACK, names[i], "p", "s");
        if (i % 3 == 1)
            append_of(f, FAMILY_PULUMI, names[i], "p", "t");
    }
    expect_orgs(view, "B a a-b a.b ab b ");
    buf_init(&one, 0);
    assert_int_equal(org_list(view, put_one, &one), OK);
    assert_string_equal(buf_cstr(&one), "B");
    buf_clear(&one);
}

static void what_is_no_name_is_not_noted(void **state)
{
    struct fixture *f = *state;
    struct stack_view *view = view_of(f);
    char *longer = xasprintf("%0200d", 0);

    append_of(f, FAMILY_PULUMI, "acme", longer, "prod");
    append_of(f, FAMILY_PULUMI, "acme", "web", longer);
    append_of(f, FAMILY_PULUMI, "acme", "a/b", "prod");
    assert_int_equal(find(view, "acme", longer, "prod"), ERR_NOTFOUND);
    assert_int_equal(find(view, "acme", "web", longer), ERR_NOTFOUND);
    assert_int_equal(find(view, "acme", "a/b", "prod"), ERR_NOTFOUND);
    free(longer);
}

// More names than are remembered at a time, twice: none is lost, and what was
// remembered instead is looked up.
static void many_names_are_all_noted(void **state)
{
    enum { MANY = 10000 };
    struct fixture *f = *state;
    struct stack_view *view = view_of(f);
    struct new_event *events = xcalloc(MANY, sizeof(*events));
    char **names = xcalloc(MANY, sizeof(*names));
    struct append a;

    for (size_t i = 0; i < MANY; i++) {
        events[i] = event_of("stack_update", "{}");
        events[i].event.project = STR("web");
        names[i] = xasprintf("s%zu", i);
        events[i].event.stack = str_of(names[i]);
    }
    assert_int_equal(append(f, events, MANY, &a), OK);
    assert_int_equal(append(f, events, MANY, &a), OK);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(find(view, "acme", "web", names[i]), OK);
    }
    expect_orgs(view, "acme ");
    for (size_t i = 0; i < MANY; i++)
        free(names[i]);
    free(names);
    free(events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_name_stacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hooks_name_stacks_for_good, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            organizations_of_both_come_once_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_name_is_not_noted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_names_are_all_noted, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
