// SPDX-License-Identifier: MIT
// test_queue_hooks.c — the contract of the stores of hooks and tokens, through queue.h
// alone.

#include "tests/support/queue_fixture.h"

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
    assert_int_equal(create_hook(f, &b), OK);
    assert_int_equal(create_hook(f, &a), OK);
    assert_int_equal(create_hook(f, &other), OK);
    assert_int_equal(create_hook(f, &twice), ERR_EXISTS);
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
    assert_int_equal(update_hook(f, &a), OK);
    assert_int_equal(update_hook(f, &stale), ERR_CONFLICT);
    assert_int_equal(delete_hook(f, &a.scope, STR("a"), 0), OK);
    assert_int_equal(delete_hook(f, &a.scope, STR("a"), 0), ERR_NOTFOUND);
    assert_int_equal(update_hook(f, &a), ERR_NOTFOUND);
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
    assert_int_equal(create_hook(f, &a), OK);
    acme = number_of(f, DIALECT_PULUMI, "acme");
    assert_true(acme > UINT64_C(1) << 63); // no hook has such a number
    assert_int_equal(a.org_id, acme);
    assert_int_equal(number_of(f, DIALECT_PULUMI, "acm"), 0);
    assert_int_equal(number_of(f, DIALECT_AKINON, "acme"), 0);
    assert_int_equal(create_hook(f, &b), OK);
    assert_int_equal(b.org_id, acme);
    other.scope.org = STR("acmf");
    namesake.scope.dialect = DIALECT_AKINON;
    assert_int_equal(create_hook(f, &other), OK);
    assert_int_equal(create_hook(f, &namesake), OK);
    assert_true(other.org_id != acme && namesake.org_id != acme &&
                other.org_id != namesake.org_id);
    assert_int_equal(delete_hook(f, &a.scope, STR("a"), 0), OK);
    assert_int_equal(delete_hook(f, &b.scope, STR("b"), 0), OK);
    assert_int_equal(number_of(f, DIALECT_PULUMI, "acme"), acme);
    other.scope.org = STR("acmg");
    assert_int_equal(create_hook(f, &other), OK);
    assert_true(other.org_id > namesake.org_id);
    assert_int_equal(create_hook(f, &a), OK);
    assert_int_equal(a.org_id, acme);
}

static void watching_hooks_never_skips_the_last_value(void **state)
{
    struct fixture *f = *state;
    struct hook a = hook_of("a");
    struct hook b = hook_of("b");
    struct names names = { 0 };
    uint64_t seen = 0;

    assert_int_equal(create_hook(f, &a), OK);
    assert_int_equal(create_hook(f, &b), OK);
    assert_int_equal(hook_watch(f->hooks, 0, on_hook, &names, &seen), OK);
    assert_string_equal(names.text, "ab");
    for (int i = 0; i < 5; i++)
        assert_int_equal(update_hook(f, &a), OK);
    names = (struct names){ 0 };
    assert_int_equal(hook_watch(f->hooks, seen, on_hook, &names, &seen), OK);
    assert_int_equal(names.n, 1);
    assert_true(names.revision == a.revision);
    assert_int_equal(delete_hook(f, &b.scope, STR("b"), 0), OK);
    names = (struct names){ 0 };
    assert_int_equal(hook_watch(f->hooks, seen, on_hook, &names, &seen), OK);
    assert_string_equal(names.text, "-");
    names = (struct names){ 0 };
    assert_int_equal(hook_watch(f->hooks, seen, on_hook, &names, &seen), OK);
    assert_int_equal(names.n, 0);
}

// --- writes that have begun ---

static bool on_url(void *data, const struct hook *h)
{
    buf_reset(data);
    buf_put_str(data, h->url);
    return false;
}

static void two_changes_of_one_hook_happen_in_their_order(void **state)
{
    struct fixture *f = *state;
    struct hook a = hook_of("a");
    struct hook later;
    struct written first;
    struct written second;
    struct written third;
    const struct catalog_caller on_first = caller_of(&first);
    const struct catalog_caller on_second = caller_of(&second);
    const struct catalog_caller on_third = caller_of(&third);
    struct buf url;

    buf_init(&url, 0);
    assert_int_equal(create_hook(f, &a), OK);
    later = a;
    a.url = STR("http://first/");
    later.url = STR("http://second/");
    hook_update(f->hooks, &a, &on_first);
    hook_update(f->hooks, &later, &on_second); // of the same revision
    hook_delete(f->hooks, &a.scope, STR("a"), a.revision, &on_third);
    // Reads show what is committed: by now that may be the first change.
    assert_int_equal(hook_get_by_no(f->hooks, a.no, on_url, &url), OK);
    assert_true(str_eq(buf_str(&url), STR("http://x/")) ||
                str_eq(buf_str(&url), STR("http://first/")));
    assert_int_equal(first.n_calls + second.n_calls + third.n_calls, 0);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(first.n_calls, 1);
    assert_int_equal(first.err, OK);
    assert_true(first.revision > a.revision);
    assert_int_equal(second.n_calls, 1);
    assert_int_equal(second.err, ERR_CONFLICT);
    assert_int_equal(third.n_calls, 1);
    assert_int_equal(third.err, ERR_CONFLICT);
    assert_int_equal(hook_get_by_no(f->hooks, a.no, on_url, &url), OK);
    assert_string_equal(buf_cstr(&url), "http://first/");
    assert_int_equal(delete_hook(f, &a.scope, STR("a"), first.revision), OK);
    buf_clear(&url);
}

// What a request had goes with the request: its texts, its scope, its name.
static void a_change_outlives_what_its_requester_had(void **state)
{
    struct fixture *f = *state;
    struct hook a = hook_of("a");
    struct hook *copy;
    char *name = xstrdup("b");
    struct written made;
    struct written gone;
    const struct catalog_caller on_made = caller_of(&made);
    const struct catalog_caller on_gone = caller_of(&gone);
    struct names names = { 0 };

    assert_int_equal(create_hook(f, &a), OK);
    copy = hook_copy(&a);
    copy->name = str_of(name);
    hook_create(f->hooks, copy, &on_made);
    hook_delete(f->hooks, &copy->scope, copy->name, 0, &on_gone);
    copy->name = STR("c");
    hook_free(copy);
    memset(name, 'x', 1);
    free(name);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(made.err, OK);
    assert_int_equal(gone.err, OK); // it began after the hook was made
    assert_int_equal(hook_watch(f->hooks, 0, on_hook, &names, &made.revision),
                     OK);
    assert_string_equal(names.text, "a-");
}

struct chain { // writes that each begin the next one
    struct fixture *f;
    struct hook hook;
    unsigned n_left;
    uint64_t revision;
};

static void on_link(void *data, const struct catalog_result *result)
{
    struct chain *chain = data;
    const struct catalog_caller caller = { .done = on_link, .data = chain };

    assert_int_equal(result->err, OK);
    assert_true(result->hook->revision > chain->revision);
    chain->revision = result->hook->revision;
    if (chain->n_left-- > 0)
        hook_update(chain->f->hooks, result->hook, &caller);
}

static void a_callback_may_begin_the_next_change(void **state)
{
    struct chain chain = { .f = *state, .hook = hook_of("a"), .n_left = 20 };
    const struct catalog_caller caller = { .done = on_link, .data = &chain };
    struct names names = { 0 };
    uint64_t last;

    hook_create(chain.f->hooks, &chain.hook, &caller);
    uv_run(&chain.f->loop, UV_RUN_DEFAULT);
    assert_int_equal(chain.n_left, UINT32_MAX);
    assert_int_equal(hook_watch(chain.f->hooks, 0, on_hook, &names, &last), OK);
    assert_true(names.n == 1 && names.revision == chain.revision);
}

// --- no room ---

static bool count(void *data, const struct hook *h)
{
    (void)h;
    ((struct names *)data)->n++;
    return true;
}

static enum err fill(struct fixture *f, unsigned *n, struct hook *last)
{
    static char long_text[60000];
    enum err err = OK;

    memset(long_text, 'x', sizeof(long_text) - 1);
    for (*n = 0; err == OK && *n < 10000; ++*n) {
        char *name = xasprintf("n%05u", *n);

        *last = hook_of(name); // the name is leaked with the test
        last->display_name = str_of(long_text);
        err = create_hook(f, last);
    }
    return err;
}

static void without_room_nothing_of_a_hook_is_stored(void **state)
{
    struct fixture *f = *state;
    struct hook last;
    struct hook other;
    struct names names = { 0 };
    unsigned n;
    uint64_t seen;

    assert_int_equal(fill(f, &n, &last), ERR_FULL);
    assert_true(n > 2);
    other = last;
    other.scope.org = STR("unknown");
    other.scope.level = LEVEL_STACK;
    other.scope.project = STR("web");
    other.scope.target = STR("prod");
    assert_int_equal(create_hook(f, &other), ERR_FULL);
    assert_int_equal(number_of(f, DIALECT_PULUMI, "unknown"), 0);
    assert_int_equal(
        hook_get(f->hooks, &last.scope, last.name, on_hook, &names),
        ERR_NOTFOUND);
    names.text[0] = '\0';
    names.n = 0;
    assert_int_equal(hook_watch(f->hooks, 0, count, &names, &seen), OK);
    assert_int_equal(names.n, n - 1);
    // A write behind the refused one has its own outcome.
    assert_int_equal(delete_hook(f, &last.scope, STR("n00000"), 0), OK);
}

// --- tokens ---

static bool on_token(void *data, const struct token *t)
{
    strncat(data, t->id.at, t->id.n_bytes);
    return true;
}

static struct token token_of(const char *id)
{
    struct token t = { .id = str_of(id),
                       .org = STR("acme"),
                       .name = STR("ci"),
                       .scopes = TOKEN_READ };

    memset(t.hash, id[0], sizeof(t.hash));
    return t;
}

static void tokens_are_made_once_and_revoked_once(void **state)
{
    struct fixture *f = *state;
    struct token_store *ts = token_store_of(f->hooks);
    struct token a = token_of("a");
    struct token b = token_of("b");
    struct written of[5];
    struct catalog_caller callers[5];
    char ids[16] = "";

    for (size_t i = 0; i < 5; i++)
        callers[i] = caller_of(&of[i]);
    token_create(ts, &a, &callers[0]);
    token_create(ts, &b, &callers[1]);
    token_create(ts, &a, &callers[2]);
    token_revoke(ts, STR("other"), STR("a"), &callers[3]);
    token_revoke(ts, STR("acme"), STR("b"), &callers[4]);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(of[i].n_calls, 1);
    assert_int_equal(of[0].err, OK);
    assert_int_equal(of[1].err, OK);
    assert_int_equal(of[2].err, ERR_EXISTS);
    assert_int_equal(of[3].err, ERR_NOTFOUND);
    assert_int_equal(of[4].err, OK);
    assert_int_equal(token_list(ts, STR("acme"), on_token, ids), OK);
    assert_string_equal(ids, "a");
}

struct told {
    size_t n_done;
    enum err errs[40];
};

static void on_told(void *data, const struct catalog_result *result)
{
    struct told *t = data;

    assert_int_equal(result->hook != NULL, result->err == OK);
    t->errs[t->n_done++] = result->err;
}

// The first write is under way when the others come, so that these share a transaction.
static void of_writes_that_share_a_commit_only_the_wrong_ones_fail(void **state)
{
    static const struct {
        const char *name;
        enum err err;
    } writes[] = {
        { "a", OK },         { "b", OK },         { "c", OK },
        { "b", ERR_EXISTS }, { "d", OK },         { "a", ERR_EXISTS },
        { "e", OK },         { "e", ERR_EXISTS }, { "f", OK },
    };
    const size_t n = sizeof(writes) / sizeof(writes[0]);
    struct fixture *f = *state;
    struct told told = { 0 };
    const struct catalog_caller caller = { .done = on_told, .data = &told };
    struct names names = { 0 };
    struct hook a = hook_of("a");

    for (size_t i = 0; i < n; i++) {
        struct hook h = hook_of(writes[i].name);

        hook_create(f->hooks, &h, &caller);
    }
    while (told.n_done < n)
        uv_run(&f->loop, UV_RUN_ONCE);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(told.errs[i], writes[i].err);
    assert_int_equal(hook_list(f->hooks, &a.scope, STR_EMPTY, on_hook, &names),
                     OK);
    assert_string_equal(names.text, "abcdef");
    // Each has a number and a revision of its own, without a gap.
    assert_int_equal(names.revision, 6);
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
        EACH(two_changes_of_one_hook_happen_in_their_order),
        EACH(a_change_outlives_what_its_requester_had),
        EACH(a_callback_may_begin_the_next_change),
        EACH(without_room_nothing_of_a_hook_is_stored),
        EACH(tokens_are_made_once_and_revoked_once),
        EACH(of_writes_that_share_a_commit_only_the_wrong_ones_fail),
        EACH(a_copy_of_a_hook_stands_alone),
    };

    return cmocka_run_group_tests_name("queue_hooks", tests, NULL, NULL);
}
