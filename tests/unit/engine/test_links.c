// SPDX-License-Identifier: MIT
// test_links.c — the sockets between roles: who gets one, and when it is made anew.
//
// The roles are not there: the test holds the ends of their control sockets.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"
#include "engine/supervisor/links.h"
#include "tests/support/unit.h"

enum { DISPATCHER_0, DISPATCHER_1, INGEST, API, SENDER_0, SENDER_1, N_ROLES };

static const struct {
    enum role_kind kind;
    unsigned index;
} roles[N_ROLES] = {
    [DISPATCHER_0] = { ROLE_DISPATCHER, 0 },
    [DISPATCHER_1] = { ROLE_DISPATCHER, 1 },
    [INGEST] = { ROLE_INGEST, 0 },
    [API] = { ROLE_API, 0 },
    [SENDER_0] = { ROLE_SENDER, 0 },
    [SENDER_1] = { ROLE_SENDER, 1 },
};

static uv_loop_t loop;
static struct child *children;
static size_t n_children;
static struct links links;
static int role_fds[N_ROLES]; // the roles' ends; -1: the role is gone
// What role A was told of role B.
static size_t n_links[N_ROLES][N_ROLES], n_ends[N_ROLES][N_ROLES];
static struct control_message last[N_ROLES][N_ROLES];
static int link_fds[N_ROLES][N_ROLES]; // the newest; -1: none

static void start_role(size_t i)
{
    int ends[2];

    assert_int_equal(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    children[i].control_fd = ends[0];
    children[i].is_alive = true;
    role_fds[i] = ends[1];
    pulse_set_state(children[i].slot, PULSE_READY, 0);
}

static void end_role(size_t i, bool is_noticed)
{
    close(role_fds[i]);
    role_fds[i] = -1;
    if (!is_noticed)
        return;
    close(children[i].control_fd);
    children[i].control_fd = -1;
    children[i].is_alive = false;
}

static size_t number_of(const struct control_message *m)
{
    for (size_t i = 0; i < N_ROLES; i++) {
        if (roles[i].kind == (enum role_kind)m->kind &&
            roles[i].index == m->index)
            return i;
    }
    fail_msg("there is no role of kind %u, index %u", m->kind, m->index);
    return 0;
}

// Takes what the role was told so far.
static void hear(size_t i)
{
    struct control_message m;
    int fd;

    while (role_fds[i] >= 0 && control_receive(role_fds[i], &m, &fd) == OK) {
        size_t k = number_of(&m);

        last[i][k] = m;
        if (m.type == CONTROL_LINK) {
            assert_true(fd >= 0);
            n_links[i][k]++;
            if (link_fds[i][k] >= 0)
                close(link_fds[i][k]);
            link_fds[i][k] = fd;
        } else {
            assert_int_equal(m.type, CONTROL_ENDED);
            n_ends[i][k]++;
        }
    }
}

static void hear_all(void)
{
    for (size_t i = 0; i < N_ROLES; i++)
        hear(i);
}

static int set_up(void **state)
{
    (void)state;
    children = xcalloc(N_ROLES, sizeof(*children));
    memset(&links, 0, sizeof(links));
    memset(n_links, 0, sizeof(n_links));
    memset(n_ends, 0, sizeof(n_ends));
    memset(link_fds, -1, sizeof(link_fds));
    n_children = N_ROLES;
    if (uv_loop_init(&loop) != 0 || !metrics_create(N_ROLES + 1))
        return -1;
    for (size_t i = 0; i < N_ROLES; i++) {
        children[i].kind = roles[i].kind;
        children[i].index = roles[i].index;
        children[i].slot = (unsigned)i + 1;
    }
    links_init(&links, &loop, children, &n_children);
    for (size_t i = 0; i < N_ROLES; i++) {
        start_role(i);
        links_connect(&links, &children[i]);
    }
    return 0;
}

static void close_handle(uv_handle_t *handle, void *data)
{
    (void)data;
    uv_close(handle, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROLES; i++) {
        for (size_t k = 0; k < N_ROLES; k++) {
            if (link_fds[i][k] >= 0)
                close(link_fds[i][k]);
        }
        if (role_fds[i] >= 0)
            close(role_fds[i]);
        if (children[i].control_fd >= 0)
            close(children[i].control_fd);
    }
    free(children);
    uv_walk(&loop, close_handle, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static bool is_dispatcher(size_t i)
{
    return roles[i].kind == ROLE_DISPATCHER;
}

// Whether the newest ends of two roles belong to the same socket.
static bool are_joined(size_t a, size_t b)
{
    char byte = 0;

    return send(link_fds[a][b], "x", 1, MSG_NOSIGNAL) == 1 &&
           recv(link_fds[b][a], &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x';
}

static const char *why_not(size_t i)
{
    static char text[128];
    struct buf why;

    buf_init(&why, 0);
    text[0] = '\0';
    if (!pulse_works(children[i].slot, &why))
        snprintf(text, sizeof(text), "%s", buf_cstr(&why));
    buf_clear(&why);
    return text;
}

static void dispatchers_are_linked_with_all_others_and_nobody_else(void **state)
{
    (void)state;
    hear_all();
    for (size_t a = 0; a < N_ROLES; a++) {
        for (size_t b = 0; b < N_ROLES; b++) {
            bool is_linked = is_dispatcher(a) != is_dispatcher(b);

            assert_int_equal(n_links[a][b], is_linked);
            if (is_linked) {
                assert_int_equal(last[a][b].link_no, 1);
                assert_true(are_joined(a, b));
            }
        }
        assert_string_equal(why_not(a), "");
    }
}

static void neighbours_of_a_role_that_died_hear_of_what_it_worked_on(void **s)
{
    const struct death death = { .is_own = true,
                                 .blamed = { BLAME_ORDER, 1, 77 } };

    (void)s;
    hear_all();
    end_role(SENDER_0, true);
    links_ended(&links, &children[SENDER_0], &death);
    hear_all();
    for (size_t i = 0; i < N_ROLES; i++)
        assert_int_equal(n_ends[i][SENDER_0], is_dispatcher(i));
    assert_true(last[DISPATCHER_1][SENDER_0].is_own);
    assert_int_equal(last[DISPATCHER_1][SENDER_0].blamed.b, 77);
    // It is started again, and gets new links; those of others stay.
    start_role(SENDER_0);
    links_connect(&links, &children[SENDER_0]);
    hear_all();
    assert_int_equal(n_links[SENDER_0][DISPATCHER_0], 2);
    assert_int_equal(last[SENDER_0][DISPATCHER_0].link_no, 2);
    assert_int_equal(last[DISPATCHER_0][SENDER_0].link_no, 2);
    assert_true(are_joined(DISPATCHER_0, SENDER_0));
    assert_int_equal(n_links[DISPATCHER_0][SENDER_1], 1);
}

static void run_until_links(size_t a, size_t b, size_t n)
{
    while (n_links[a][b] < n) {
        assert_true(uv_loop_alive(&loop)); // somebody tries again
        uv_run(&loop, UV_RUN_ONCE);
        hear_all();
    }
}

static void a_link_that_was_lost_is_made_anew(void **state)
{
    struct control_message m = { .type = CONTROL_NO_LINK,
                                 .kind = ROLE_DISPATCHER,
                                 .index = 1,
                                 .link_no = 1,
                                 .error = EMFILE };

    (void)state;
    hear_all();
    links_lost(&links, &children[INGEST], &m);
    assert_string_equal(why_not(INGEST),
                        "lacks a link to a neighbour: too many open files");
    assert_string_equal(why_not(DISPATCHER_1), why_not(INGEST));
    assert_string_equal(why_not(DISPATCHER_0), "");
    run_until_links(INGEST, DISPATCHER_1, 2);
    assert_int_equal(last[INGEST][DISPATCHER_1].link_no, 2);
    assert_true(are_joined(INGEST, DISPATCHER_1));
    assert_string_equal(why_not(INGEST), "");
    assert_string_equal(why_not(DISPATCHER_1), "");
    assert_int_equal(n_links[INGEST][DISPATCHER_0], 1);
    // It complains of the old link once more: there is a newer one.
    links_lost(&links, &children[INGEST], &m);
    assert_string_equal(why_not(INGEST), "");
    // A role complains of a link that it must not have.
    m = (struct control_message){ .type = CONTROL_NO_LINK,
                                  .kind = ROLE_SENDER,
                                  .error = EMFILE };
    links_lost(&links, &children[API], &m);
    assert_string_equal(why_not(API), "");
}

// A role that does not read its messages, until the kernel takes no more of them.
static void fill_socket(size_t i)
{
    const struct control_message m = { .type = CONTROL_ENDED,
                                       .kind = roles[SENDER_1].kind,
                                       .index = roles[SENDER_1].index };

    while (control_send(children[i].control_fd, &m, -1) == OK) {
    }
    assert_int_equal(errno, EAGAIN);
}

static void a_role_that_does_not_listen_gets_its_link_when_it_does(void **state)
{
    (void)state;
    hear_all();
    fill_socket(API);
    end_role(DISPATCHER_0, true);
    links_ended(&links, &children[DISPATCHER_0],
                &(struct death){ .is_own = false });
    start_role(DISPATCHER_0);
    links_connect(&links, &children[DISPATCHER_0]);
    assert_non_null(strstr(why_not(API), "lacks a link to a neighbour"));
    assert_string_equal(why_not(DISPATCHER_0), why_not(API));
    assert_string_equal(why_not(INGEST), ""); // only this link is missing
    hear_all();
    run_until_links(API, DISPATCHER_0, 2);
    assert_true(are_joined(API, DISPATCHER_0));
    assert_string_equal(why_not(API), "");
    assert_string_equal(why_not(DISPATCHER_0), "");
}

static void a_role_that_is_dying_does_not_make_its_neighbours_unready(void **s)
{
    const struct control_message lost = { .type = CONTROL_NO_LINK,
                                          .kind = ROLE_DISPATCHER,
                                          .index = 1,
                                          .link_no = 1,
                                          .error = ENOTCONN };

    (void)s;
    hear_all();
    end_role(SENDER_1, false); // the supervisor does not know yet
    links_lost(&links, &children[INGEST], &lost);
    assert_non_null(strstr(why_not(INGEST), "lacks a link"));
    end_role(DISPATCHER_1, true);
    links_ended(&links, &children[DISPATCHER_1],
                &(struct death){ .is_own = false });
    assert_string_equal(why_not(INGEST), ""); // it needs none now
    start_role(DISPATCHER_1);
    links_connect(&links, &children[DISPATCHER_1]);
    assert_string_equal(why_not(DISPATCHER_1), "");
    hear_all();
    assert_int_equal(n_links[DISPATCHER_1][INGEST], 2);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(dispatchers_are_linked_with_all_others_and_nobody_else),
        EACH(neighbours_of_a_role_that_died_hear_of_what_it_worked_on),
        EACH(a_link_that_was_lost_is_made_anew),
        EACH(a_role_that_does_not_listen_gets_its_link_when_it_does),
        EACH(a_role_that_is_dying_does_not_make_its_neighbours_unready),
    };

    return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
