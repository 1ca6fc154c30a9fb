// SPDX-License-Identifier: MIT
// test_queue_hooks.c — the contract of the hook store, through queue.h alone.

#include "tests/queue_fixture.h"

static struct hook hook_of(const char *name)
{
    return (struct hook){ .scope = { .dialect = DIALECT_PULUMI,
                                     .level = LEVEL_ORGANIZATION,
                                     .org = STR("acme") },
                          .name = str_of(name),
                          .display_name = STR("d"),
                          .url = STR("http://x/"),
                          .format = FORMAT_RAW,
                          .active = true,
                          .secret = STR("s3cret") };
}

struct names {
    char text[256];
    uint64_t revision;
    size_t n;
};

static bool on_hook(void *data, const struct hook *h)
{
    struct names *names = data;

    strncat(names->text, h->name.n_bytes > 0 ? h->name.at : "-",
            h->name.n_bytes > 0 ? h->name.n_bytes : 1);
    names->revision = h->revision;
    names->n++;
    return true;
}

static void hooks_are_created_listed_changed_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct hook a = hook_of("a");
    struct hook b = hook_of("b");
    struct hook twice = hook_of("a");
    struct hook stale;
    struct hook other = hook_of("a");
    struct names names = { 0 };

    other.scope.org = STR("acm"); // its key begins like the other's
    assert_int_equal(hook_create(f->hooks, &b), OK);
    assert_int_equal(hook_create(f->hooks, &a), OK);
    assert_int_equal(hook_create(f->hooks, &other), OK);
    assert_int_equal(hook_create(f->hooks, &twice), ERR_EXISTS);
    assert_true(a.no != b.no);
    assert_int_equal(hook_list(f->hooks, &a.scope, STR_EMPTY, on_hook, &names),
                     OK);
    assert_string_equal(names.text, "ab");
    names = (struct names){ 0 };
    assert_int_equal(hook_list(f->hooks, &a.scope, STR("a"), on_hook, &names),
                     OK);
    assert_string_equal(names.text, "b");
    stale = a;
    a.active = false;
    assert_int_equal(hook_update(f->hooks, &a), OK);
    assert_int_equal(hook_update(f->hooks, &stale), ERR_CONFLICT);
    assert_int_equal(hook_delete(f->hooks, &a.scope, STR("a")), OK);
    assert_int_equal(hook_delete(f->hooks, &a.scope, STR("a")), ERR_NOTFOUND);
    assert_int_equal(hook_update(f->hooks, &a), ERR_NOTFOUND);
    assert_int_equal(hook_get(f->hooks, &a.scope, STR("a"), on_hook, &names),
                     ERR_NOTFOUND);
}

static uint64_t number_of(struct fixture *f, enum dialect dialect,
                          const char *org)
{
    uint64_t no = 1;

    assert_int_equal(org_number(f->hooks, dialect, str_of(org), &no), OK);
    return no;
}

static void
an_organization_keeps_its_number_and_nobody_else_gets_it(void **state)
{
    struct fixture *f = *state;
    struct hook a = hook_of("a");
    struct hook b = hook_of("b");
    struct hook other = hook_of("a");
    struct hook namesake = hook_of("a");
    uint64_t acme;

    assert_int_equal(number_of(f, DIALECT_PULUMI, "acme"), 0);
    assert_int_equal(hook_create(f->hooks, &a), OK);
    acme = number_of(f, DIALECT_PULUMI, "acme");
    assert_true(acme > UINT64_C(1) << 63); // no hook has such a number
    assert_int_equal(a.org_id, acme);
    assert_int_equal(number_of(f, DIALECT_PULUMI, "acm"), 0);
    assert_int_equal(number_of(f, DIALECT_AKINON, "acme"), 0);
    assert_int_equal(hook_create(f->hooks, &b), OK);
    assert_int_equal(b.org_id, acme);
    other.scope.org = STR("acmf");
    namesake.scope.dialect = DIALECT_AKINON;
    assert_int_equal(hook_create(f->hooks, &other), OK);
    assert_int_equal(hook_create(f->hooks, &namesake), OK);
    assert_true(other.org_id != acme && namesake.org_id != acme &&
                other.org_id != namesake.org_id);
    assert_int_equal(hook_delete(f->hooks, &a.scope, STR("a")), OK);
    assert_int_equal(hook_delete(f->hooks, &b.scope, STR("b")), OK);
    assert_int_equal(number_of(f, DIALECT_PULUMI, "acme"), acme);
    other.scope.org = STR("acmg");
    assert_int_equal(hook_create(f->hooks, &other), OK);
    assert_true(other.org_id > namesake.org_id);
    assert_int_equal(hook_create(f->hooks, &a), OK);
    assert_int_equal(a.org_id, acme);
}

static void watching_hooks_never_skips_the_last_value(void **state)
{
    struct fixture *f = *state;
    struct hook a = hook_of("a");
    struct hook b = hook_of("b");
    struct names names = { 0 };
    uint64_t seen = 0;

    assert_int_equal(hook_create(f->hooks, &a), OK);
    assert_int_equal(hook_create(f->hooks, &b), OK);
    assert_int_equal(hook_watch(f->hooks, 0, on_hook, &names, &seen), OK);
    assert_string_equal(names.text, "ab");
    for (int i = 0; i < 5; i++)
        assert_int_equal(hook_update(f->hooks, &a), OK);
    names = (struct names){ 0 };
    assert_int_equal(hook_watch(f->hooks, seen, on_hook, &names, &seen), OK);
    assert_int_equal(names.n, 1);
    assert_true(names.revision == a.revision);
    assert_int_equal(hook_delete(f->hooks, &b.scope, STR("b")), OK);
    names = (struct names){ 0 };
    assert_int_equal(hook_watch(f->hooks, seen, on_hook, &names, &seen), OK);
    assert_string_equal(names.text, "-");
    names = (struct names){ 0 };
    assert_int_equal(hook_watch(f->hooks, seen, on_hook, &names, &seen), OK);
    assert_int_equal(names.n, 0);
}

static void a_copy_of_a_hook_stands_alone(void **state)
{
    struct str kinds[] = { STR("order.*"), STR("a.b") };
    struct str headers[] = { STR("X-A"), STR("1") };
    struct hook h = hook_of("a");
    struct hook *copy;

    (void)state;
    h.kinds = kinds;
    h.n_kinds = 2;
    h.headers = headers;
    h.n_headers = 2;
    copy = hook_copy(&h);
    memset(kinds, 0, sizeof(kinds));
    assert_true(str_is(copy->kinds[0], "order.*"));
    assert_true(str_is(copy->headers[1], "1"));
    assert_true(str_is(copy->secret, "s3cret"));
    assert_true(copy->url.at != h.url.at);
    hook_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(hooks_are_created_listed_changed_and_deleted),
        EACH(an_organization_keeps_its_number_and_nobody_else_gets_it),
        EACH(watching_hooks_never_skips_the_last_value),
        EACH(a_copy_of_a_hook_stands_alone),
    };

    return cmocka_run_group_tests_name("queue_hooks", tests, NULL, NULL);
}
