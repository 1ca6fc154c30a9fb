// test_queue_room.c — a shard whose map gets full: its owner hears of it while what is
// under way can still be committed.

#define MAP_BYTES (UINT64_C(16) << 20) // four times as much for a shard

#include "tests/queue_fixture.h"

#define LARGE_BYTES ((size_t)60 * 1024)
#define UNDER_WAY   2560 // as many attempts as can be in flight

static struct attempt attempt_with(struct str body)
{
    return (struct attempt){
        .hook_no = 1,
        .org_no = 7,
        .position = nth(1),
        .kind = STR("a.b"),
        .started_at_us = clock_now_us(),
        .attempt = 1,
        .state = DELIVERY_DELIVERED,
        .response_code = 200,
        .request_url = STR("http://x/"),
        .response_body = body,
    };
}

static void commit_attempts(struct fixture *f, size_t n, struct str body)
{
    struct attempt a = attempt_with(body);
    struct shard_change *c = shard_change_new();

    for (size_t i = 0; i < n; i++) {
        a.hook_no = i % 100; // spread over the indexes
        change_attempt(c, &a);
    }
    commit(f, c);
    shard_change_free(c);
}

// How many large ones are committed until the room is not as it was.
static size_t fill_while(struct fixture *f, enum room room)
{
    char *large = xcalloc(1, LARGE_BYTES);
    struct str body = { large, LARGE_BYTES };
    size_t n = 0;

    while (shard_room(f->shard) == room) {
        assert_true(n < 4000);
        commit_attempts(f, 10, body);
        n += 10;
    }
    free(large);
    return n;
}

static void on_trimmed(void *data, bool has_more)
{
    *(bool *)data = has_more;
}

static void trim_all(struct fixture *f)
{
    const struct shard_retention keep = { .delivered_before_us = INT64_MAX,
                                          .max_bytes = UINT64_MAX };
    bool has_more = true;

    while (has_more) {
        assert_true(shard_trim(f->shard, &keep, 1000, on_trimmed, &has_more));
        uv_run(&f->loop, UV_RUN_DEFAULT);
    }
}

static void a_nearly_full_map_has_room_for_what_is_under_way(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(shard_room(f->shard), ROOM_PLENTY);
    assert_true(fill_while(f, ROOM_PLENTY) > 700);
    assert_int_equal(shard_room(f->shard), ROOM_NONE);
    for (size_t i = 0; i < UNDER_WAY; i += 512)
        commit_attempts(f, 512, STR("what came of it"));
}

static void free_pages_are_room_for_small_records(void **state)
{
    struct fixture *f = *state;

    fill_while(f, ROOM_PLENTY);
    trim_all(f);
    commit_attempts(f, 1, STR("x"));
    assert_int_equal(shard_room(f->shard), ROOM_TIGHT);
    for (size_t i = 0; i < 50; i++)
        commit_attempts(f, 512, STR("what came of it"));
    trim_all(f);
    assert_int_equal(shard_room(f->shard), ROOM_TIGHT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_nearly_full_map_has_room_for_what_is_under_way, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(free_pages_are_room_for_small_records,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
