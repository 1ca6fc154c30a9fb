// SPDX-License-Identifier: MIT
// test_queue_stacks.c — stacks and environments that hooks and events name exist from then
// on.

#include "queue/catalog/stack_names.h"
#include "queue/queue.h"
#include "queue/records/schema.h"
#include "tests/support/queue_fixture.h"

static struct stack_view *view_of(struct fixture *f)
{
    struct stack_view *view;

    assert_int_equal(stack_view_open(&f->config, &view), OK);
    return view;
}

static void append_of(struct fixture *f, enum dialect dialect, const char *org,
                      const char *project, const char *stack)
{
    struct new_event e = event_of("stack_update", "{}");
    struct append a;

    e.event.dialect = dialect;
    e.event.org = str_of(org);
    e.event.project = str_of(project);
    e.event.stack = str_of(stack);
    assert_int_equal(append(f, &e, 1, &a), OK);
}

static enum err find(struct stack_view *view, const char *org,
                     const char *project, const char *stack)
{
    return stack_find(view, &(struct stack_name){ .org = str_of(org),
                                                  .project = str_of(project),
                                                  .stack = str_of(stack) });
}

static enum err find_env(struct stack_view *view, const char *org,
                         const char *project, const char *env)
{
    return stack_find(view, &(struct stack_name){ .org = str_of(org),
                                                  .project = str_of(project),
                                                  .env = str_of(env) });
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
    struct hook h = { .scope = { .dialect = level == LEVEL_PROJECT
                                                ? DIALECT_AKINON
                                                : DIALECT_PULUMI,
                                 .level = level,
                                 .org = str_of(org),
                                 .project = str_of(project),
                                 .target = str_of(target) },
                      .name = STR("h"),
                      .display_name = STR("h"),
                      .url = STR("http://127.0.0.1/"),
                      .format = FORMAT_RAW };

    assert_int_equal(create_hook(f, &h), OK);
}

static void events_name_stacks(void **state)
{
    struct fixture *f = *state;
    struct stack_view *view = view_of(f);

    expect_orgs(view, "");
    for (int i = 0; i < 3; i++)
        append_of(f, DIALECT_PULUMI, "acme", "web", "prod");
    append_of(f, DIALECT_PULUMI, "acme", "web", "dev");
    append_of(f, DIALECT_PULUMI, "beta", "", "");
    append_of(f, DIALECT_PULUMI, "gamma", "web", ""); // an environment's
    append_of(f, DIALECT_AKINON, "0123456789abcdef01234567", "p", "s");
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
    struct hook_scope scope = { .dialect = DIALECT_PULUMI,
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
    assert_int_equal(find_env(view, "beta", "web", "prod"), OK);
    assert_int_equal(find_env(view, "acme", "web", "prod"), ERR_NOTFOUND);
    expect_orgs(view, "acme beta gamma ");
    assert_int_equal(delete_hook(f, &scope, STR("h"), 0), OK);
    assert_int_equal(find(view, "acme", "web", "prod"), OK);
}

static enum err forget(struct fixture *f, const struct stack_name *name)
{
    struct written w;
    const struct catalog_caller caller = caller_of(&w);

    stack_delete(f->hooks, name, &caller);
    return outcome(f, &w);
}

static void a_stack_is_not_forgotten_while_it_has_hooks(void **state)
{
    const struct stack_name name = { .org = STR("acme"),
                                     .project = STR("web"),
                                     .stack = STR("prod") };
    const struct stack_name env = { .org = STR("acme"),
                                    .project = STR("web"),
                                    .env = STR("prod") };
    struct hook_scope scope = { .dialect = DIALECT_PULUMI,
                                .level = LEVEL_STACK,
                                .org = STR("acme"),
                                .project = STR("web"),
                                .target = STR("prod") };
    struct fixture *f = *state;
    struct stack_view *view = view_of(f);

    hook_of(f, LEVEL_STACK, "acme", "web", "prod");
    assert_int_equal(forget(f, &name), ERR_EXISTS);
    assert_int_equal(forget(f, &env), ERR_NOTFOUND);
    assert_int_equal(find(view, "acme", "web", "prod"), OK);
    hook_of(f, LEVEL_ENVIRONMENT, "acme", "web", "prod");
    assert_int_equal(forget(f, &env), ERR_EXISTS);
    assert_int_equal(delete_hook(f, &scope, STR("h"), 0), OK);
    assert_int_equal(forget(f, &name), OK);
    assert_int_equal(find(view, "acme", "web", "prod"), ERR_NOTFOUND);
    assert_int_equal(forget(f, &name), ERR_NOTFOUND);
}

static void organizations_of_both_come_once_in_order(void **state)
{
    static const char *const names[] = { "b", "a-b", "a", "a.b", "ab", "B" };
    struct fixture *f = *state;
    struct stack_view *view = view_of(f);
    struct buf one;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (i % 2 == 0)
            append_of(f, DIALECT_PULUMI, names[i], "p", "s");
        if (i % 3 != 1)
            hook_of(f, LEVEL_STACK, names[i], "p", "s");
        if (i % 3 == 1)
            append_of(f, DIALECT_PULUMI, names[i], "p", "t");
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

    append_of(f, DIALECT_PULUMI, "acme", longer, "prod");
    append_of(f, DIALECT_PULUMI, "acme", "web", longer);
    append_of(f, DIALECT_PULUMI, "acme", "a/b", "prod");
    assert_int_equal(find(view, "acme", longer, "prod"), ERR_NOTFOUND);
    assert_int_equal(find(view, "acme", "web", longer), ERR_NOTFOUND);
    assert_int_equal(find(view, "acme", "a/b", "prod"), ERR_NOTFOUND);
    free(longer);
}

// More names than the cache holds are named twice: none is lost, and names that the
// cache has dropped are looked up.
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

// The rows that a version before this one wrote: an organization's says nothing of
// how many stacks it has, and environments are not noted.
static void make_old(struct fixture *f)
{
    char *dir = xasprintf("%s/hooks", f->dir);
    struct stack_name org = { .org = STR("acme") };
    struct stack_name env = { .org = STR("acme"),
                              .project = STR("web"),
                              .env = STR("dev") };
    char bytes[STACK_KEY_MAX_BYTES];
    struct store *s;
    struct str row;
    MDB_txn *txn;
    MDB_val key;
    MDB_val val = val_at("", 0);

    assert_int_equal(
        store_open(dir, MAP_BYTES, false, hooks_dbs, HOOKS_DBS, &s), OK);
    assert_int_equal(store_write(s, &txn), OK);
    assert_int_equal(stack_key(&org, bytes, &row), OK);
    key = val_of(row);
    assert_int_equal(mdb_put(txn, s->dbs[HOOKS_STACKS], &key, &val, 0), 0);
    assert_int_equal(stack_key(&env, bytes, &row), OK);
    key = val_of(row);
    assert_int_equal(mdb_del(txn, s->dbs[HOOKS_STACKS], &key, NULL), 0);
    assert_int_equal(store_commit(s, txn), OK);
    free(dir);
}

static enum share create(struct fixture *f, const char *stack)
{
    struct stack_name name = { .org = STR("acme"),
                               .project = STR("web"),
                               .stack = str_of(stack) };
    struct written w;
    const struct catalog_caller caller = caller_of(&w);

    stack_create(f->hooks, &name, false, &caller);
    assert_int_equal(outcome(f, &w), OK);
    return w.share;
}

static void names_of_an_earlier_version_count_and_are_found(void **state)
{
    struct fixture *f = *state;
    struct queue_config config = f->config;
    struct stack_view *view = view_of(f);

    hook_of(f, LEVEL_STACK, "acme", "web", "prod");
    hook_of(f, LEVEL_ENVIRONMENT, "acme", "web", "dev");
    make_old(f);
    assert_int_equal(find_env(view, "acme", "web", "dev"), ERR_NOTFOUND);
    config.stacks = (struct share_limit){ .whole = 100, .of_one = 4 };
    assert_int_equal(hook_store_open(&config, &f->loop, &f->hooks), OK);
    assert_int_equal(find_env(view, "acme", "web", "dev"), OK);
    // Two exist, so two more may be created.
    assert_int_equal(create(f, "a"), SHARE_THERE);
    assert_int_equal(create(f, "b"), SHARE_THERE);
    assert_int_equal(create(f, "c"), SHARE_OF_ONE);
    assert_int_equal(find(view, "acme", "web", "b"), OK);
    assert_int_equal(find(view, "acme", "web", "c"), ERR_NOTFOUND);
}

// Whether the row of "acme" has the number of its stacks.
static bool has_count(struct fixture *f)
{
    char *dir = xasprintf("%s/hooks", f->dir);
    struct stack_name org = { .org = STR("acme") };
    char bytes[STACK_KEY_MAX_BYTES];
    struct store *s;
    struct str row;
    MDB_txn *txn;
    MDB_val key;
    MDB_val val;
    bool has;

    assert_int_equal(
        store_open(dir, MAP_BYTES, false, hooks_dbs, HOOKS_DBS, &s), OK);
    assert_int_equal(store_write(s, &txn), OK);
    assert_int_equal(stack_key(&org, bytes, &row), OK);
    key = val_of(row);
    assert_int_equal(mdb_get(txn, s->dbs[HOOKS_STACKS], &key, &val), 0);
    has = val.mv_size == 8;
    assert_int_equal(store_commit(s, txn), OK);
    free(dir);
    return has;
}

// All rows are counted when the first name is refused, not again for each one.
static void an_earlier_version_above_the_share_is_counted_once(void **state)
{
    struct fixture *f = *state;
    struct queue_config config = f->config;

    hook_of(f, LEVEL_STACK, "acme", "web", "prod");
    hook_of(f, LEVEL_STACK, "acme", "web", "test");
    hook_of(f, LEVEL_ENVIRONMENT, "acme", "web", "dev");
    make_old(f);
    config.stacks = (struct share_limit){ .whole = 100, .of_one = 1 };
    assert_int_equal(hook_store_open(&config, &f->loop, &f->hooks), OK);
    assert_int_equal(create(f, "a"), SHARE_OF_ONE);
    assert_true(has_count(f));
}

static void put_listed(void *data, const struct stack_name *name)
{
    buf_put_str(data, name->project);
    buf_putc(data, '/');
    buf_put_str(data, name->env.n_bytes > 0 ? name->env : name->stack);
    buf_putc(data, ' ');
}

// Reads the list in pages of every size, and compares it.
static void expect_list(struct stack_view *view,
                        const struct stack_query *query, const char *wanted)
{
    for (size_t max = 1; max < 12; max++) {
        struct buf found, place;

        buf_init(&found, 0);
        buf_init(&place, 0);
        do {
            assert_int_equal(
                stack_list(view, query, max, &place, put_listed, &found), OK);
        } while (place.n_bytes > 0);
        assert_string_equal(buf_cstr(&found), wanted);
        buf_clear(&place);
        buf_clear(&found);
    }
}

static void lists_have_each_name_once_in_pages_of_any_size(void **state)
{
    static const char *const projects[] = { "web", "we", "webs", "a", "a.b" };
    struct fixture *f = *state;
    struct stack_view *view = view_of(f);
    struct stack_query query = { .is_env = false };

    expect_list(view, &query, "");
    for (size_t i = 0; i < 5; i++) {
        append_of(f, DIALECT_PULUMI, "acme", projects[i], "s");
        hook_of(f, LEVEL_STACK, "acme", projects[i], i % 2 == 0 ? "s" : "t");
        hook_of(f, LEVEL_ENVIRONMENT, "acme", projects[i], "e");
    }
    hook_of(f, LEVEL_ENVIRONMENT, "acme", "web", "f");
    hook_of(f, LEVEL_ENVIRONMENT, "acme", "only", "e");
    hook_of(f, LEVEL_ORGANIZATION, "bare", "", "");
    append_of(f, DIALECT_PULUMI, "zeta", "web", "z");
    expect_list(view, &query, "a/s a/t a.b/s we/s we/t web/s webs/s web/z ");
    query.org = STR("acme");
    expect_list(view, &query, "a/s a/t a.b/s we/s we/t web/s webs/s ");
    query.project = STR("web");
    expect_list(view, &query, "web/s ");
    query.org = STR_EMPTY;
    expect_list(view, &query, "web/s web/z ");
    query.is_env = true;
    expect_list(view, &query, "web/e web/f ");
    query.project = STR_EMPTY;
    expect_list(view, &query, "a/e a.b/e only/e we/e web/e web/f webs/e ");
    query.org = STR("bare");
    expect_list(view, &query, "");
    query.org = STR("nobody");
    expect_list(view, &query, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_name_stacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hooks_name_stacks_for_good, set_up,
                                        tear_down),
        EACH(a_stack_is_not_forgotten_while_it_has_hooks),
        cmocka_unit_test_setup_teardown(
            organizations_of_both_come_once_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_name_is_not_noted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_names_are_all_noted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            names_of_an_earlier_version_count_and_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            an_earlier_version_above_the_share_is_counted_once, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            lists_have_each_name_once_in_pages_of_any_size, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
