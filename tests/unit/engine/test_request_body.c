// SPDX-License-Identifier: MIT
// test_request_body.c — what an attempt sends: bodies, which are made once, and the token of
// the deployments endpoint, whose file may hold anything.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/process/metrics.h"
#include "engine/delivery/request_body.h"
#include "tests/support/unit.h"

#define HANG_S 60 // a test that waits for a pipe ends by a signal

static char path[64];
static char none[] = "";
static char endpoint[] = "http://127.0.0.1:1/api";
static struct config config;
static struct renderer *renderer;

static int set_up(void **state)
{
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/posthorn-token-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0)
        return -1;
    config = (struct config){ .deployments_url = endpoint,
                              .deployments_token_file = none };
    if (renderer == NULL) { // there is one, for as long as a process lives
        renderer = renderer_new(&config);
        if (!metrics_create(1))
            return -1;
        metrics_name(0, "dispatcher.0", METRICS_DISPATCHER);
    }
    renderer_reload(renderer, &config);
    alarm(HANG_S);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    alarm(0);
    return unlink(path);
}

static struct hook hook_of(enum hook_format format)
{
    return (struct hook){ .scope = { .org = STR("acme") },
                          .url = STR("acme/shop/prod"),
                          .format = format };
}

static struct event event_of(uint8_t n, const char *kind)
{
    return (struct event){ .position = { .bytes = { 0, 0, 0, 0, 0, 0, 1, n } },
                           .kind = str_of(kind),
                           .org = STR("acme"),
                           .payload = STR("{\"result\":\"succeeded\"}") };
}

// The Authorization header of a deployment, with the file as it is now.
static const char *authorization(void)
{
    static char text[8192];
    struct hook hook = hook_of(FORMAT_PULUMI_DEPLOYMENTS);
    struct event event = event_of(1, "stack_update");
    struct rendered out;

    config.deployments_token_file = path;
    renderer_reload(renderer, &config);
    assert_int_equal(render(renderer, &hook, &event, &out), OK);
    snprintf(text, sizeof(text), "%.*s", (int)out.authorization.n_bytes,
             out.authorization.n_bytes > 0 ? out.authorization.at : "");
    return text;
}

static void write_token(const char *text, size_t n_bytes)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

// --- the token ---

static void the_token_is_the_line_of_its_file(void **state)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        { "pul-123\n", "token pul-123" },
        { "pul-123", "token pul-123" },
        { "pul-456 \r\n", "token pul-456" },
        { "", "" },
        { "\n", "" },
        { "two words\n", "" },
        { "one\nand another\n", "" },
        { "t\xc3\xb6ken\n", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_token(cases[i].text, strlen(cases[i].text));
        assert_string_equal(authorization(), cases[i].wanted);
    }
    write_token("pul-123\n", 8);
    assert_string_equal(authorization(), "token pul-123");
    assert_int_equal(unlink(path), 0);
    assert_string_equal(authorization(), ""); // the old one is not kept
    write_token("", 0);
}

// A token that was cut would be refused there, and nobody would know why.
static void a_token_that_is_too_long_is_none(void **state)
{
    static char text[10000];

    (void)state;
    memset(text, 'x', sizeof(text));
    write_token(text, 4000);
    assert_int_equal(strlen(authorization()), strlen("token ") + 4000);
    write_token(text, sizeof(text));
    assert_string_equal(authorization(), "");
}

static void a_pipe_in_the_place_of_the_token_holds_nothing_up(void **state)
{
    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_string_equal(authorization(), "");
}

// --- bodies ---

static uint64_t n_made(void)
{
    return metrics_sum_counter(COUNTER_BODIES_RENDERED, NULL);
}

static void a_body_is_made_once_for_an_event_and_a_format(void **state)
{
    struct hook slack = hook_of(FORMAT_SLACK);
    struct hook teams = hook_of(FORMAT_MS_TEAMS);
    struct hook raw = hook_of(FORMAT_RAW);
    struct event one = event_of(1, "stack_update");
    struct event other = event_of(2, "stack_update");
    struct event ping = event_of(0, "ping");
    struct rendered out;
    uint64_t before = n_made();

    (void)state;
    ping.position = position_start;
    assert_int_equal(render(renderer, &raw, &one, &out), OK);
    assert_ptr_equal(out.body.at, one.payload.at);
    assert_false(out.is_own_body);
    assert_int_equal(n_made(), before);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(render(renderer, &slack, &one, &out), OK);
        assert_true(out.is_own_body);
        assert_int_equal(n_made(), before + 1);
    }
    assert_int_equal(render(renderer, &teams, &one, &out), OK);
    assert_int_equal(n_made(), before + 2);
    assert_int_equal(render(renderer, &slack, &other, &out), OK);
    assert_int_equal(n_made(), before + 3);
    assert_int_equal(render(renderer, &slack, &one, &out), OK); // still there
    assert_int_equal(n_made(), before + 3);
    // Two pings have the same position, and are two events.
    assert_int_equal(render(renderer, &slack, &ping, &out), OK);
    assert_int_equal(render(renderer, &slack, &ping, &out), OK);
    assert_int_equal(n_made(), before + 5);
}

static void a_place_in_the_cache_is_not_mistaken_for_another_event(void **s)
{
    struct hook slack = hook_of(FORMAT_SLACK);
    struct event a = event_of(3, "stack_update");
    struct event b = event_of(3, "stack_update"); // in the same place
    struct rendered out;
    char first[4096];

    (void)s;
    b.position.bytes[0] = 1;
    b.org = STR("another-organization");
    assert_int_equal(render(renderer, &slack, &a, &out), OK);
    snprintf(first, sizeof(first), "%.*s", (int)out.body.n_bytes, out.body.at);
    assert_int_equal(render(renderer, &slack, &b, &out), OK);
    assert_non_null(
        memmem(out.body.at, out.body.n_bytes, "another-organization", 20));
    assert_int_equal(render(renderer, &slack, &a, &out), OK);
    assert_int_equal(out.body.n_bytes, strlen(first));
    assert_memory_equal(out.body.at, first, out.body.n_bytes);
}

static void a_ping_starts_no_deployment(void **state)
{
    struct hook hook = hook_of(FORMAT_PULUMI_DEPLOYMENTS);
    struct event event = event_of(4, "stack_update");
    struct event ping = event_of(0, "ping");
    struct rendered out;

    (void)state;
    ping.position = position_start;
    assert_int_equal(render(renderer, &hook, &event, &out), OK);
    assert_false(out.is_get);
    assert_true(out.body.n_bytes > 0);
    assert_true(str_starts(out.url, STR("http://127.0.0.1:1/api")));
    assert_int_equal(render(renderer, &hook, &ping, &out), OK);
    assert_true(out.is_get);
    assert_int_equal(out.body.n_bytes, 0);
    config.deployments_url = none;
    assert_int_equal(render(renderer, &hook, &event, &out), ERR_DENIED);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(the_token_is_the_line_of_its_file),
        EACH(a_token_that_is_too_long_is_none),
        EACH(a_pipe_in_the_place_of_the_token_holds_nothing_up),
        EACH(a_body_is_made_once_for_an_event_and_a_format),
        EACH(a_place_in_the_cache_is_not_mistaken_for_another_event),
        EACH(a_ping_starts_no_deployment),
    };

    return cmocka_run_group_tests_name("request_body", tests, NULL, NULL);
}
