// SPDX-License-Identifier: MIT
// test_http_alone.c — requests that a process has died with: they are handled while no other
// is, then not at all, and cost nobody else more than a wait.

#include "common/process/blame.h"
#include "tests/support/http_loop_fixture.h"

static struct blame_page *page;
static struct fixture f;

static int set_up(void **state)
{
    int fd = blame_create(&page);

    (void)state;
    if (fd < 0)
        return -1;
    blame_attach(fd);
    close(fd);
    start(&f, &http_default_limits);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop(&f);
    return 0;
}

// As if the process had died `n` times with a GET of this path.
static void die_with(const char *path, uint32_t n)
{
    uint64_t hash = blame_hash(str_of(path), blame_hash(STR("GET"), 0));
    struct blamed blamed;
    uint32_t n_deaths = 0;

    hash = blame_hash(STR_EMPTY, hash);
    for (uint32_t i = 0; i < n; i++) {
        blame_begin(BLAME_REQUEST, hash, 0);
        blame_this_thread();
        assert_true(blame_attribute(page, 0, &blamed, &n_deaths));
    }
    assert_int_equal(n_deaths, n);
}

static void a_request_with_two_deaths_is_handled_alone(void **state)
{
    struct client *other;

    (void)state;
    die_with("/hold-alone", BLAME_ALONE);
    dial(&f, 0, GET("/hold"));
    UNTIL(&f, f.n_held == 1);
    dial(&f, 1, GET("/hold-alone"));
    turn_a_while(&f);
    assert_int_equal(f.n_seen, 1); // it waits for the other one
    other = dial(&f, 2, GET("/a"));
    turn_a_while(&f);
    assert_int_equal(f.n_seen,
                     1); // so does a later one: it might wait for ever
    answer(&f, 0);
    UNTIL(&f, f.n_held == 2);
    turn_a_while(&f);
    assert_int_equal(f.n_seen, 2);
    assert_int_equal(other->n_bytes, 0);
    answer(&f, 1);
    UNTIL(&f, has(other, "/a"));
    // It was answered: its deaths are forgotten, and it is one among others again.
    assert_false(blame_is_any());
    dial(&f, 3, GET("/hold"));
    dial(&f, 4, GET("/hold-alone"));
    UNTIL(&f, f.n_held == 4);
    answer(&f, 2);
    answer(&f, 3);
}

static void a_request_with_one_death_waits_for_nobody(void **state)
{
    (void)state;
    die_with("/hold-once", BLAME_ALONE - 1);
    dial(&f, 0, GET("/hold"));
    dial(&f, 1, GET("/hold-once"));
    UNTIL(&f, f.n_held == 2);
    answer(&f, 0);
    answer(&f, 1);
}

static void a_request_with_three_deaths_is_refused(void **state)
{
    struct client *refused, *other;

    (void)state;
    die_with("/bad", BLAME_ASIDE);
    refused = dial(&f, 0, GET("/bad"));
    UNTIL(&f, has(refused, "HTTP/1.1 500"));
    other = dial(&f, 1, GET("/bad2"));
    UNTIL(&f, has(other, "/bad2"));
    assert_int_equal(f.n_seen, 1);
    assert_true(blame_is_any()); // a refusal forgets nothing
    refused = dial(&f, 2, GET("/bad"));
    UNTIL(&f, has(refused, "HTTP/1.1 500"));
    assert_int_equal(f.n_seen, 1);
}

// Its connection is reset: a client that only stops sending still wants its answer.
static void hang_up(struct client *c)
{
    const struct linger at_once = { .l_onoff = 1 };

    assert_int_equal(
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    leave(c);
}

static void who_leaves_while_waiting_leaves_the_others_their_turns(void **state)
{
    (void)state;
    die_with("/hold-alone", BLAME_ALONE);
    dial(&f, 0, GET("/hold"));
    UNTIL(&f, f.n_held == 1);
    dial(&f, 1, GET("/hold-alone"));
    for (size_t i = 2; i < 6; i++) {
        turn_a_while(&f);
        dial(&f, i, GET("/b"));
    }
    UNTIL(&f, figures(&f).n_connections == 6);
    turn_a_while(&f);
    hang_up(&f.clients[3]); // from the middle of those that wait
    hang_up(&f.clients[5]); // from the end
    UNTIL(&f, figures(&f).n_connections == 4);
    dial(&f, 6, GET("/c"));
    turn_a_while(&f);
    assert_int_equal(f.n_seen, 1);
    hang_up(&f.clients[1]); // the one for which they wait
    UNTIL(&f, has(&f.clients[2], "/b") && has(&f.clients[4], "/b") &&
                  has(&f.clients[6], "/c"));
    assert_int_equal(f.n_seen, 4);
    answer(&f, 0);
    UNTIL(&f, has(&f.clients[0], "held"));
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_request_with_two_deaths_is_handled_alone),
        EACH(a_request_with_one_death_waits_for_nobody),
        EACH(a_request_with_three_deaths_is_refused),
        EACH(who_leaves_while_waiting_leaves_the_others_their_turns),
    };

    return cmocka_run_group_tests_name("http_alone", tests, NULL, NULL);
}
