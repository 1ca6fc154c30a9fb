// SPDX-License-Identifier: MIT
// test_transfer_send.c — the program's own send(), which libcurl calls: a receiver
// that answered and closed is still read to its end.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/unit.h"

static const char answer[] = "HTTP/1.1 413 Content Too Large\r\n\r\n";

// Both ends of a connection over loopback.
static void connect_pair(int *client, int *server)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n_bytes = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&at, n_bytes), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n_bytes),
                     0);
    *client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(*client, (struct sockaddr *)&at, n_bytes), 0);
    *server = accept(listener, NULL, NULL);
    assert_true(*server >= 0);
    close(listener);
}

// The server sends `what` and closes with a byte unread; returns when the reset has
// arrived.
static void answer_and_reset(int client, int server, const char *what)
{
    struct pollfd wait = { .fd = client };

    assert_int_equal(send(client, "x", 1, MSG_NOSIGNAL), 1);
    wait.fd = server;
    wait.events = POLLIN;
    assert_int_equal(poll(&wait, 1, 10000), 1);
    if (*what != '\0')
        assert_int_equal(write(server, what, strlen(what)), strlen(what));
    close(server);
    wait = (struct pollfd){ .fd = client };
    assert_int_equal(poll(&wait, 1, 10000), 1);
    assert_true((wait.revents & POLLERR) != 0);
}

static void test_an_answer_before_a_reset_can_be_read(void **state)
{
    char body[1000] = "";
    char got[100];
    int client, server;

    (void)state;
    connect_pair(&client, &server);
    answer_and_reset(client, server, answer);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send(client, body, sizeof(body), MSG_NOSIGNAL),
                         sizeof(body));
    }
    assert_int_equal(recv(client, got, sizeof(got), 0), strlen(answer));
    assert_memory_equal(got, answer, strlen(answer));
    assert_int_equal(send(client, body, sizeof(body), MSG_NOSIGNAL), -1);
    assert_int_equal(errno, EPIPE);
    close(client);
}

static void test_a_reset_without_an_answer_is_told_at_once(void **state)
{
    char body[1000] = "";
    int client, server;

    (void)state;
    connect_pair(&client, &server);
    answer_and_reset(client, server, "");
    assert_int_equal(send(client, body, sizeof(body), MSG_NOSIGNAL), -1);
    assert_int_equal(errno, ECONNRESET);
    close(client);
}

// A full socket, to which nothing can be sent now, does not end the transfer.
static void test_a_full_socket_is_no_end(void **state)
{
    char body[65536] = "";
    int client, server;
    ssize_t n = 0;

    (void)state;
    connect_pair(&client, &server);
    assert_int_equal(write(server, answer, strlen(answer)), strlen(answer));
    while (n >= 0)
        n = send(client, body, sizeof(body), MSG_NOSIGNAL | MSG_DONTWAIT);
    assert_int_equal(errno, EAGAIN);
    close(client);
    close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_before_a_reset_can_be_read),
        cmocka_unit_test(test_a_reset_without_an_answer_is_told_at_once),
        cmocka_unit_test(test_a_full_socket_is_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
