// SPDX-License-Identifier: MIT
// test_config.c — settings: where they come from, what is refused.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/config/config_types.h"
#include "common/config/settings.h"
#include "tests/support/unit.h"

static enum err load(char **sets, size_t n_sets, struct config *c,
                     struct buf *faults)
{
    struct config_sources sources = { .sets = sets,
                                      .n_sets = n_sets,
                                      .no_environment = true };

    buf_init(faults, 0);
    return config_load(&sources, c, faults);
}

static void config_defaults_are_those_documented(void **state)
{
    struct config c;
    struct buf faults;

    (void)state;
    assert_int_equal(load(NULL, 0, &c, &faults), OK);
    assert_string_equal(c.data_dir, "./var");
    assert_string_equal(c.api_listen, "127.0.0.1:8080");
    assert_string_equal(c.ingest_listen, "127.0.0.1:8081");
    assert_int_equal(c.dispatchers, 1);
    assert_int_equal(c.senders, 2);
    assert_int_equal(c.max_event_bytes, 262144);
    assert_int_equal(c.max_queue_bytes, UINT64_C(64) << 30);
    assert_int_equal(config_org_quota_bytes(&c), UINT64_C(16) << 30);
    assert_int_equal(c.n_retries, 12);
    assert_int_equal(c.retry_schedule_ms[0], 5000);
    assert_int_equal(c.retry_schedule_ms[11], 86400000);
    assert_int_equal(c.retention_delivered_ms, INT64_C(7) * 86400000);
    assert_int_equal(c.endpoint_allow.n, 0);
    config_clear(&c);
    buf_clear(&faults);
}

static void config_lists_every_fault_at_once(void **state)
{
    char a[] = "senders=0";
    char b[] = "no_such=1";
    char d[] = "retry_schedule=5s,soon";
    char *sets[] = { a, b, d };
    struct config c;
    struct buf faults;

    (void)state;
    assert_int_equal(load(sets, 3, &c, &faults), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&faults), "senders: \"0\""));
    assert_non_null(strstr(buf_cstr(&faults), "1 to 16"));
    assert_non_null(strstr(buf_cstr(&faults), "no setting \"no_such\""));
    assert_non_null(strstr(buf_cstr(&faults), "retry_schedule: "));
    config_clear(&c);
    buf_clear(&faults);
}

static void an_organizations_share_is_no_more_than_the_whole(void **state)
{
    char a[] = "max_queue_bytes=16MiB";
    char b[] = "max_queue_bytes_per_organization=16MiB";
    char d[] = "max_queue_bytes_per_organization=17MiB";
    char *good[] = { a, b };
    char *bad[] = { a, d };
    struct config c;
    struct buf faults;

    (void)state;
    assert_int_equal(load(good, 2, &c, &faults), OK);
    assert_int_equal(config_org_quota_bytes(&c), UINT64_C(16) << 20);
    config_clear(&c);
    buf_clear(&faults);
    assert_int_equal(load(bad, 2, &c, &faults), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&faults),
                           "max_queue_bytes_per_organization: must not be "
                           "larger than max_queue_bytes"));
    config_clear(&c);
    buf_clear(&faults);
}

static void a_batch_fits_into_what_is_held_for_clients(void **state)
{
    char a[] = "max_buffered_bytes=8MiB";
    char b[] = "max_batch_bytes=3MiB";
    char *good[] = { a, b };
    char d[] = "max_batch_bytes=8MiB"; // its default, but set
    char *bad[] = { a, d };
    struct config c;
    struct buf faults;

    (void)state;
    assert_int_equal(load(good, 2, &c, &faults), OK);
    config_clear(&c);
    buf_clear(&faults);
    assert_int_equal(load(bad, 2, &c, &faults), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&faults),
                           "max_buffered_bytes: must be at least twice "
                           "max_batch_bytes"));
    config_clear(&c);
    buf_clear(&faults);
}

static void what_needs_a_restart_stays_through_a_reload(void **state)
{
    char a[] = "max_connections=100";
    char b[] = "max_event_bytes=2KiB";
    char d[] = "api_listen=127.0.0.1:9999";
    char *changed[] = { a, b, d };
    struct config old, fresh;
    struct buf faults;
    uint64_t n_connections;

    (void)state;
    assert_int_equal(load(NULL, 0, &old, &faults), OK);
    buf_clear(&faults);
    n_connections = old.max_connections;
    assert_int_equal(load(changed, 3, &fresh, &faults), OK);
    buf_clear(&faults);
    config_keep_fixed(&fresh, &old);
    assert_int_equal(fresh.max_connections, n_connections);
    assert_string_equal(fresh.api_listen, "127.0.0.1:8080");
    assert_int_equal(fresh.max_event_bytes, 2048);
    config_clear(&fresh);
    config_clear(&old); // each has all it owns
}

static void config_later_source_wins(void **state)
{
    char path[] = "/tmp/posthorn-config-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    char set[] = "dispatchers = 4";
    char *sets[] = { set };
    struct config_sources sources = { .file = path, .sets = sets, .n_sets = 1 };
    struct config c;
    struct buf faults;

    (void)state;
    buf_init(&faults, 0);
    fprintf(file, "# a comment\n\nsenders = 3\ndispatchers = 2\n"
                  "connect_timeout = 1s\n");
    fclose(file);
    setenv("POSTHORN_SENDERS", "5", 1);
    assert_int_equal(config_load(&sources, &c, &faults), OK);
    unsetenv("POSTHORN_SENDERS");
    unlink(path);
    assert_int_equal(c.senders, 5);
    assert_int_equal(c.dispatchers, 4);
    assert_int_equal(c.connect_timeout_ms, 1000);
    config_clear(&c);
    buf_clear(&faults);
}

static void config_settings_that_contradict_are_refused(void **state)
{
    char a[] = "connect_timeout=20s";
    char b[] = "request_timeout=10s";
    char *sets[] = { a, b };
    struct config c;
    struct buf faults;

    (void)state;
    assert_int_equal(load(sets, 2, &c, &faults), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&faults), "connect_timeout"));
    config_clear(&c);
    buf_clear(&faults);
}

static void durations_and_sizes_are_read_with_their_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; // -1: refused
    } cases[] = {
        { "500ms", 500 },  { "5s", 5000 },      { "2m", 120000 },
        { "1h", 3600000 }, { "7d", 604800000 }, { "5", -1 },
        { "", -1 },        { "-5s", -1 },       { "5 s", -1 },
        { "5S", -1 },      { "1.5s", -1 },      { "99999999999999999999s", -1 },
    };
    uint64_t n_bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = -1;
        enum err err =
            config_read_duration(str_of(cases[i].text), 0, INT64_MAX, &ms);

        assert_int_equal(err, cases[i].ms >= 0 ? OK : ERR_INVALID);
        assert_int_equal(ms, cases[i].ms);
    }
    assert_int_equal(config_read_bytes(STR("64GiB"), 0, UINT64_MAX, &n_bytes),
                     OK);
    assert_int_equal(n_bytes, UINT64_C(64) << 30);
    assert_int_equal(config_read_bytes(STR("64GB"), 0, UINT64_MAX, &n_bytes),
                     ERR_INVALID);
}

static bool cidr_allows(const char *cidr, const char *address)
{
    struct cidr cidrs[4];
    struct sockaddr_storage a;
    size_t n;

    assert_int_equal(config_read_cidrs(str_of(cidr), cidrs, 4, &n), OK);
    assert_int_equal(config_address(address, &a), OK);
    for (size_t i = 0; i < n; i++) {
        if (cidr_holds(&cidrs[i], (const struct sockaddr *)&a))
            return true;
    }
    return false;
}

static void cidrs_hold_what_they_say(void **state)
{
    struct cidr cidrs[4];
    size_t n;

    (void)state;
    assert_true(cidr_allows("127.0.0.0/8", "127.1.2.3:80"));
    assert_false(cidr_allows("127.0.0.0/8", "128.0.0.1:80"));
    assert_true(
        cidr_allows("10.0.0.0/8, 192.168.1.7/32:8443", "192.168.1.7:8443"));
    assert_false(cidr_allows("192.168.1.7/32:8443", "192.168.1.7:8444"));
    assert_true(cidr_allows("172.16.0.0/12", "172.31.255.255:1"));
    assert_false(cidr_allows("172.16.0.0/12", "172.32.0.0:1"));
    assert_true(cidr_allows("fd00::/8", "[fd12::1]:443"));
    assert_false(cidr_allows("fd00::/8", "[fe80::1]:443"));
    assert_true(cidr_allows("127.0.0.0/8", "[::ffff:127.0.0.1]:80"));
    assert_int_equal(config_read_cidrs(STR("10.0.0.0/33"), cidrs, 4, &n),
                     ERR_INVALID);
    assert_int_equal(config_read_cidrs(STR("10.0.0/8"), cidrs, 4, &n),
                     ERR_INVALID);
    assert_int_equal(config_read_cidrs(STR("10.0.0.0/8:0"), cidrs, 4, &n),
                     ERR_INVALID);
}

static void config_describe_shows_value_origin_and_range(void **state)
{
    char set[] = "senders=3";
    char *sets[] = { set };
    struct config_sources sources = { .sets = sets,
                                      .n_sets = 1,
                                      .no_environment = true };
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    config_describe(&sources, &out);
    assert_non_null(
        strstr(buf_cstr(&out), "senders = 3  # from --set; 1 to 16"));
    assert_non_null(
        strstr(buf_cstr(&out), "dispatchers = 1  # from default; 1 to 16"));
    buf_clear(&out);
}

// Settings that are not set follow those that are, and their description says so; a set
// value that does not fit the others is refused.
static void settings_that_are_left_alone_follow_those_that_are_set(void **state)
{
    static const struct {
        const char *sets[2];
        const char *line; // of config_describe(); NULL: refused
        const char *fault;
    } cases[] = {
        { { "request_timeout=3s", NULL },
          "connect_timeout = 3s  # from request_timeout;",
          NULL },
        { { "request_timeout=3s", "connect_timeout=4s" },
          NULL,
          "connect_timeout: must not be longer than request_timeout" },
        { { "request_timeout=3s",
            "connect_timeout=5s" }, // its default, but set
          NULL,
          "connect_timeout: must not be longer than request_timeout" },
        { { "request_timeout=60s", NULL },
          "connect_timeout = 5s  # from default;",
          NULL },
        { { "breaker_wait_max=10s", NULL },
          "breaker_wait = 10s  # from breaker_wait_max;",
          NULL },
        { { "max_batch_bytes=100KiB", NULL },
          "max_event_bytes = 100KiB  # from max_batch_bytes;",
          NULL },
        { { "max_buffered_bytes=8MiB", NULL },
          "max_batch_bytes = 3690984  # from max_buffered_bytes;",
          NULL },
        { { "max_buffered_bytes=1MiB", "admin_reserve_percent=50" },
          "max_event_bytes = 262100  # from max_batch_bytes;",
          NULL },
        { { "max_batch_bytes=100KiB", "max_event_bytes=200KiB" },
          NULL,
          "max_event_bytes: must not be larger than max_batch_bytes" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char first[64], second[64];
        char *sets[] = { first, second };
        struct config_sources sources = { .sets = sets,
                                          .n_sets =
                                              1 + (cases[i].sets[1] != NULL),
                                          .no_environment = true };
        struct buf faults, out;
        struct config c;

        snprintf(first, sizeof(first), "%s", cases[i].sets[0]);
        snprintf(second, sizeof(second), "%s",
                 cases[i].sets[1] != NULL ? cases[i].sets[1] : "");
        buf_init(&faults, 0);
        buf_init(&out, 0);
        if (cases[i].line != NULL) {
            if (config_load(&sources, &c, &faults) != OK)
                fail_msg("%s: %s", first, buf_cstr(&faults));
            config_describe(&sources, &out);
            if (strstr(buf_cstr(&out), cases[i].line) == NULL)
                fail_msg("%s is not in %s", cases[i].line, buf_cstr(&out));
        } else {
            assert_int_equal(config_load(&sources, &c, &faults), ERR_INVALID);
            assert_non_null(strstr(buf_cstr(&faults), cases[i].fault));
        }
        config_clear(&c);
        buf_clear(&out);
        buf_clear(&faults);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_defaults_are_those_documented),
        cmocka_unit_test(config_lists_every_fault_at_once),
        cmocka_unit_test(an_organizations_share_is_no_more_than_the_whole),
        cmocka_unit_test(a_batch_fits_into_what_is_held_for_clients),
        cmocka_unit_test(what_needs_a_restart_stays_through_a_reload),
        cmocka_unit_test(config_later_source_wins),
        cmocka_unit_test(config_settings_that_contradict_are_refused),
        cmocka_unit_test(durations_and_sizes_are_read_with_their_units),
        cmocka_unit_test(cidrs_hold_what_they_say),
        cmocka_unit_test(config_describe_shows_value_origin_and_range),
        cmocka_unit_test(
            settings_that_are_left_alone_follow_those_that_are_set),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
