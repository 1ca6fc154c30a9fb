// SPDX-License-Identifier: MIT
// test_transfer_guard.c — each check of a transfer's address by itself: without the check
// of the URL, the check at the socket refuses; without that, too, the check before the
// request refuses.
//
// The linker puts a function of this test in front of address_guard_check(), which both
// checks call.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "engine/sender/address_guard.h"
#include "engine/sender/transfer.h"
#include "tests/support/unit.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's own names
enum address_guard_verdict
__wrap_address_guard_check(const struct sockaddr *address, bool is_self,
                           const struct address_guard_rules *rules);
enum address_guard_verdict
__real_address_guard_check(const struct sockaddr *address, bool is_self,
                           const struct address_guard_rules *rules);

static bool is_first_gate_open; // the first question is allowed
static unsigned n_asked;

enum address_guard_verdict
__wrap_address_guard_check(const struct sockaddr *address, bool is_self,
                           const struct address_guard_rules *rules)
{
    bool is_first = n_asked++ == 0;

    if (is_first && is_first_gate_open)
        return ADDRESS_PERMITTED;
    return __real_address_guard_check(address, is_self, rules);
}
// NOLINTEND(bugprone-reserved-identifier)

// Every text that libcurl was seen to connect to a loopback, link-local or empty
// address. PORT stands for the port of a listener on ::1 and 127.0.0.1.
static const char *const texts[] = {
    "http://127.0.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://127.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST.:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://user@127.0.0.1:PORT/",
    "http://example.com@127.0.0.1:PORT/",
    "http://example.com\\@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@example.com/",
    "http:///127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "127.0.0.1:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127.0.0.1\\@example.invalid:PORT/",
    "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1:PORT/",
    "http://127.0.0.1%00.example.invalid:PORT/",
    "http://127.0.0.1%0d%0a:PORT/",
    "http://[::1:PORT/",
    "file:///etc/passwd?PORT",
    "gopher://127.0.0.1:PORT/",
    "dict://127.0.0.1:PORT/",
    "http://127.0.0.1:0/PORT",
    "http://127.0.0.1:65536/PORT",
};

#define N_TEXTS (sizeof(texts) / sizeof(texts[0]))

// --- a listener that counts ---

struct listener {
    int fds[2]; // 127.0.0.1 and ::1
    int port;
    unsigned n_connections;
    unsigned n_bytes;
};

static void open_listener(struct listener *l)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    socklen_t n = sizeof(v4);

    memset(l, 0, sizeof(*l));
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    l->fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(l->fds[0] >= 0);
    assert_int_equal(bind(l->fds[0], (struct sockaddr *)&v4, sizeof(v4)), 0);
    assert_int_equal(getsockname(l->fds[0], (struct sockaddr *)&v4, &n), 0);
    l->port = ntohs(v4.sin_port);
    assert_int_equal(listen(l->fds[0], 64), 0);
    l->fds[1] = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    v6.sin6_port = v4.sin_port;
    if (l->fds[1] >= 0 &&
        (bind(l->fds[1], (struct sockaddr *)&v6, sizeof(v6)) != 0 ||
         listen(l->fds[1], 64) != 0)) {
        close(l->fds[1]); // a machine without IPv6
        l->fds[1] = -1;
    }
}

static void read_interfaces(struct listener *l)
{
    for (size_t i = 0; i < 2; i++) {
        int fd;

        while (l->fds[i] >= 0 && (fd = accept(l->fds[i], NULL, NULL)) >= 0) {
            char data[256];
            ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

            l->n_connections++;
            if (n > 0)
                l->n_bytes += (unsigned)n;
            close(fd);
        }
    }
}

// --- one attempt ---

struct attempt_end {
    bool is_over;
    enum error_class error;
    uint16_t code;
};

static void on_done(void *data, const struct outcome *outcome)
{
    struct attempt_end *end = data;

    end->is_over = true;
    end->error = outcome->error;
    end->code = outcome->response_code;
}

struct fixture {
    uv_loop_t loop;
    struct config config;
    struct transfers *transfers;
    struct attempt_end end;
    struct listener listener;
};

static int set_up(void **state)
{
    static struct fixture f;
    struct config_sources sources = { .no_environment = true };
    struct buf faults;

    buf_init(&faults, 0);
    memset(&f, 0, sizeof(f));
    assert_int_equal(config_load(&sources, &f.config, &faults), OK);
    buf_clear(&faults);
    uv_loop_init(&f.loop);
    f.transfers = transfers_new(&f.loop, &f.config, on_done, &f.end);
    open_listener(&f.listener);
    *state = &f;
    return 0;
}

static struct attempt_end attempt(struct fixture *f, const char *text)
{
    char url[256];
    struct order order = { .body = STR("{}"),
                           .connect_timeout_ms = 300,
                           .request_timeout_ms = 500 };
    const char *port = strstr(text, "PORT");

    assert_non_null(port);
    snprintf(url, sizeof(url), "%.*s%d%s", (int)(port - text), text,
             f->listener.port, port + strlen("PORT"));
    order.url = str_of(url);
    f->end = (struct attempt_end){ 0 };
    n_asked = 0;
    transfers_start(f->transfers, &order);
    while (!f->end.is_over)
        uv_run(&f->loop, UV_RUN_ONCE);
    read_interfaces(&f->listener);
    return f->end;
}

// --- the tests ---

static void gate_at_the_socket_refuses_every_spelling(void **state)
{
    struct fixture *f = *state;
    unsigned n_blocked = 0;

    is_first_gate_open = false;
    for (size_t i = 0; i < N_TEXTS; i++) {
        struct attempt_end end = attempt(f, texts[i]);

        if (end.error == ERROR_NONE || f->listener.n_connections > 0) {
            fail_msg("%s: error %d, %u connections", texts[i], end.error,
                     f->listener.n_connections);
        }
        // A transfer that reached an address check was refused by it.
        if (n_asked > 0)
            assert_int_equal(end.error, ERROR_BLOCKED);
        n_blocked += end.error == ERROR_BLOCKED;
    }
    assert_true(n_blocked >= 20); // most reach a socket
}

static void gate_before_the_request_refuses_what_was_connected(void **state)
{
    struct fixture *f = *state;
    unsigned n_refused = 0;

    is_first_gate_open = true;
    for (size_t i = 0; i < N_TEXTS; i++) {
        unsigned n_before = f->listener.n_connections;
        struct attempt_end end = attempt(f, texts[i]);

        if (end.error == ERROR_NONE || f->listener.n_bytes > 0) {
            fail_msg("%s: error %d, %u bytes", texts[i], end.error,
                     f->listener.n_bytes);
        }
        if (f->listener.n_connections > n_before) {
            assert_int_equal(end.error, ERROR_BLOCKED);
            n_refused++;
        }
    }
    assert_true(n_refused >= 10); // of 127.0.0.1, however it was spelt
}

static void environment_brings_no_proxy(void **state)
{
    static const char *const names[] = { "http_proxy", "HTTP_PROXY",
                                         "https_proxy", "ALL_PROXY",
                                         "all_proxy" };
    struct fixture *f = *state;
    char proxy[64];

    is_first_gate_open = true;
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", f->listener.port);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(setenv(names[i], proxy, 1), 0);
    f->listener.n_connections = 0;
    assert_int_not_equal(attempt(f, "http://no-such-name.invalid/PORT").error,
                         ERROR_NONE);
    assert_int_equal(f->listener.n_connections, 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_at_the_socket_refuses_every_spelling),
        cmocka_unit_test(gate_before_the_request_refuses_what_was_connected),
        cmocka_unit_test(environment_brings_no_proxy),
    };

    return cmocka_run_group_tests_name("transfer_guard", tests, set_up, NULL);
}
