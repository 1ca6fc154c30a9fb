// SPDX-License-Identifier: MIT
// test_backlog.c — what waits for organizations, as the dispatchers report it.

#include "common/messages/backlog.h"

#include "tests/support/unit.h"

#define ORG UINT64_C(0x8000000000000007)

static struct org_backlog backlog(uint64_t n_rows, uint64_t n_bytes,
                                  uint64_t hook_id)
{
    return (struct org_backlog){ .org_id = ORG,
                                 .n_rows = n_rows,
                                 .n_bytes = n_bytes,
                                 .growth = 10,
                                 .fullest = { { hook_id, n_rows, n_bytes } } };
}

static void tell(struct backlog_table *t, unsigned shard,
                 const struct org_backlog *b)
{
    struct buf frame;

    buf_init(&frame, 0);
    org_backlog_pack(&frame, b);
    assert_true(backlog_take(t, shard, buf_str(&frame)));
    buf_clear(&frame);
}

static void tell_hook(struct backlog_table *t, uint64_t hook_id,
                      uint64_t n_rows, bool is_paused)
{
    const struct hook_backlog b = { hook_id, n_rows, n_rows * 100 };
    struct buf frame;

    buf_init(&frame, 0);
    hook_backlog_pack(&frame, &b, is_paused);
    assert_true(backlog_take(t, 0, buf_str(&frame)));
    buf_clear(&frame);
}

static void count(void *data, const struct org_backlog *b)
{
    (void)b;
    (*(size_t *)data)++;
}

static size_t n_orgs(const struct backlog_table *t)
{
    size_t n = 0;

    backlog_each_org(t, count, &n);
    return n;
}

static void shards_are_added_up_and_forgotten(void **state)
{
    struct backlog_table *t = backlog_table_new(2);
    struct org_backlog b = backlog(5, 5000, 1);
    struct org_backlog sum;

    (void)state;
    tell(t, 0, &b);
    b = backlog(3, 30000, 2);
    tell(t, 1, &b);
    backlog_of_org(t, ORG, &sum);
    assert_int_equal(sum.n_rows, 8);
    assert_int_equal(sum.n_bytes, 35000);
    assert_int_equal(sum.growth, 20);
    assert_int_equal(sum.fullest[0].hook_id, 2);
    assert_int_equal(sum.fullest[1].hook_id, 1);
    b = backlog(1, 10,
                2); // the newest counts, not the sum of all that was said
    tell(t, 1, &b);
    backlog_of_org(t, ORG, &sum);
    assert_int_equal(sum.n_rows, 6);
    assert_int_equal(sum.fullest[0].hook_id, 1);
    backlog_forget(t, 0);
    backlog_of_org(t, ORG, &sum);
    assert_int_equal(sum.n_rows, 1);
    assert_int_equal(n_orgs(t), 1);
    b = backlog(0, 0, 0);
    tell(t, 1, &b);
    assert_int_equal(n_orgs(t), 0);
    backlog_of_org(t, ORG, &sum);
    assert_int_equal(sum.n_rows, 0);
    backlog_table_free(t);
}

static void only_paused_hooks_are_known(void **state)
{
    struct backlog_table *t = backlog_table_new(1);
    struct hook_backlog b;

    (void)state;
    for (uint64_t no = 1; no <= 1000; no++)
        tell_hook(t, no, no, true);
    assert_true(backlog_of_hook(t, 700, &b));
    assert_int_equal(b.n_rows, 700);
    tell_hook(t, 700, 700, false);
    assert_false(backlog_of_hook(t, 700, &b));
    backlog_forget(t, 0);
    assert_false(backlog_of_hook(t, 1, &b));
    backlog_table_free(t);
}

static void frames_of_others_are_left_alone(void **state)
{
    struct backlog_table *t = backlog_table_new(1);
    struct org_backlog b = backlog(5, 5000, 1);
    struct buf frame;

    (void)state;
    assert_false(backlog_take(t, 0, STR("\x01")));
    assert_false(backlog_take(t, 0, STR_EMPTY));
    buf_init(&frame, 0);
    org_backlog_pack(&frame, &b);
    for (size_t n = 1; n < frame.n_bytes; n++) // cut: passed over
        assert_true(backlog_take(t, 0, (struct str){ frame.at, n }));
    assert_int_equal(n_orgs(t), 0);
    assert_true(backlog_take(t, 7, buf_str(&frame))); // there is no such shard
    assert_int_equal(n_orgs(t), 0);
    buf_clear(&frame);
    backlog_table_free(t);
}

static void the_fullest_are_those_with_most_bytes(void **state)
{
    static const struct hook_backlog hooks[] = {
        { 1, 1, 100 }, { 2, 1, 900 }, { 3, 1, 500 },
        { 4, 0, 0 },   { 0, 9, 999 }, { 5, 100, 0 },
    };
    struct org_backlog b = { .n_rows = 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
        org_backlog_rank(&b, &hooks[i]);
    assert_int_equal(b.fullest[0].hook_id, 5); // many rows count, too
    assert_int_equal(b.fullest[1].hook_id, 2);
}

static void a_share_counts_what_is_stored_once_once(void **state)
{
    const struct config config = { .max_queue_bytes = 4000000 };
    struct org_backlog b = { .n_rows = 1000, .n_bytes = 5000000 };
    struct backlog_share share;

    (void)state;
    backlog_share(&b, &config, 200000, &share); // of all events
    assert_int_equal(share.n_bytes, 200000 + 256000);
    assert_int_equal(share.quota_bytes, 1000000); // a quarter
    assert_int_equal(share.percent, 45);
    assert_false(share.is_full);
    assert_int_equal(share.full_in_s, -1);
    b.growth = 1000;
    backlog_share(&b, &config, 200000, &share);
    assert_int_equal(share.full_in_s, 544);
    backlog_share(&b, &config, UINT64_MAX, &share);
    assert_true(share.is_full);
    assert_int_equal(share.full_in_s, 0);
    b.growth = -1000;
    b.n_bytes = 0;
    backlog_share(&b, &config, UINT64_MAX, &share);
    assert_int_equal(share.full_in_s, -1);
}

static void a_setting_says_what_may_wait(void **state)
{
    const struct config config = { .max_queue_bytes = 4000000,
                                   .max_queue_bytes_per_organization = 7000 };
    const struct org_backlog b = { .n_rows = 1, .n_bytes = 7000 - 256 };
    struct backlog_share share;

    (void)state;
    backlog_share(&b, &config, UINT64_MAX, &share);
    assert_int_equal(share.quota_bytes, 7000);
    assert_true(share.is_full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_added_up_and_forgotten),
        cmocka_unit_test(only_paused_hooks_are_known),
        cmocka_unit_test(frames_of_others_are_left_alone),
        cmocka_unit_test(the_fullest_are_those_with_most_bytes),
        cmocka_unit_test(a_share_counts_what_is_stored_once_once),
        cmocka_unit_test(a_setting_says_what_may_wait),
    };

    return cmocka_run_group_tests_name("backlog", tests, NULL, NULL);
}
