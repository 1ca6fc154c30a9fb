// SPDX-License-Identifier: MIT
// test_http_greetings.c — the server believes PROXY headers of the peers that it is told,
// and serves their own clients without one.

#include "common/config/config_types.h"
#include "common/stream/proxy_header.h"
#include "tests/support/http_loop_fixture.h"

static struct cidrs peers;

// The answer is who the client is.
static void answer_peer(struct fixture *f, struct http_request *r)
{
    struct http_response ok = { .status = 200, .body = str_of(r->peer) };

    (void)f;
    http_respond(r, &ok);
}

static void start_with_peers(struct fixture *f, const char *text,
                             unsigned max_per_address)
{
    struct http_limits limits = http_default_limits;

    limits.max_per_address = max_per_address;
    limits.header_timeout_ms = 300;
    assert_int_equal(
        config_read_cidrs(str_of(text), peers.at, CIDRS_MAX, &peers.n), OK);
    limits.proxy_peers = &peers;
    start(f, &limits);
    f->answer_other = answer_peer;
}

static struct client *dial_header(struct fixture *f, size_t i, const char *host,
                                  size_t n_first)
{
    struct sockaddr_storage to;
    struct sockaddr_storage from;
    struct client *c = make(f, i);
    struct buf out;

    assert_int_equal(config_address(host, &from), OK);
    assert_int_equal(config_address("10.9.9.9:80", &to), OK);
    join(f, c);
    buf_init(&out, 0);
    proxy_header_put(&out, &from, &to);
    assert_int_equal(out.n_bytes, 28);
    buf_puts(&out, GET("/who"));
    if (n_first > 0) {
        assert_int_equal(send(c->fd, out.at, n_first, MSG_NOSIGNAL), n_first);
        turn_a_while(f);
    }
    assert_int_equal(
        send(c->fd, out.at + n_first, out.n_bytes - n_first, MSG_NOSIGNAL),
        out.n_bytes - n_first);
    buf_clear(&out);
    return c;
}

static void the_client_is_who_the_header_says(void **state)
{
    static const size_t parts[] = { 0, 1, 13, 20, 28 };
    struct client *c;
    struct fixture f;

    (void)state;
    start_with_peers(&f, "127.0.0.0/8", 1);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        c = dial_header(&f, 0, "192.0.2.7:99", parts[i]);
        UNTIL(&f, has(c, "\r\n\r\n192.0.2.7"));
        leave(c);
        UNTIL(&f, figures(&f).n_connections == 0);
    }
    // Caps by address are the client's: each has one connection here.
    c = dial_header(&f, 0, "192.0.2.7:99", 0);
    UNTIL(&f, has(c, "\r\n\r\n192.0.2.7"));
    c = dial_header(&f, 1, "192.0.2.8:99", 0);
    UNTIL(&f, has(c, "\r\n\r\n192.0.2.8"));
    assert_false(f.clients[0].has_ended);
    c = dial_header(&f, 2, "192.0.2.7:98", 0);
    UNTIL(&f, has(c, "\r\n\r\n192.0.2.7") && f.clients[0].has_ended);
    stop(&f);
}

static void a_peers_own_clients_need_none(void **state)
{
    struct client *c;
    struct fixture f;

    (void)state;
    start_with_peers(&f, "127.0.0.1/32", 8);
    c = dial(&f, 0, GET("/who"));
    UNTIL(&f, has(c, "\r\n\r\n127.0.0.1"));
    c = dial(&f, 1, "\r\n"); // as a header begins, and as a request may
    turn_a_while(&f);
    say(c, GET("/who"));
    UNTIL(&f, has(c, "\r\n\r\n127.0.0.1"));
    c = dial(&f, 2, "\r\n\r\n");
    turn_a_while(&f);
    shutdown(c->fd, SHUT_WR); // no more will come
    UNTIL(&f, c->has_ended);
    stop(&f);
}

static void what_is_bad_or_does_not_come_is_closed(void **state)
{
    static const char bad[] = "\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c";
    struct client *silent, *broken;
    struct fixture f;

    (void)state;
    start_with_peers(&f, "127.0.0.1/32", 8);
    silent = make(&f, 0);
    join(&f, silent);
    broken = make(&f, 1);
    join(&f, broken);
    assert_int_equal(send(broken->fd, bad, sizeof(bad) - 1, MSG_NOSIGNAL), 16);
    UNTIL(&f, broken->has_ended);
    assert_int_equal(broken->n_bytes, 0);
    assert_false(silent->has_ended);
    UNTIL(&f, silent->has_ended);
    assert_int_equal(figures(&f).n_accepted, 0);
    // One is waiting when the server ends.
    join(&f, make(&f, 2));
    turn_a_while(&f);
    stop(&f);
}

static void others_headers_are_no_request(void **state)
{
    struct client *c;
    struct fixture f;

    (void)state;
    start_with_peers(&f, "10.0.0.0/8", 8);
    c = dial_header(&f, 0, "192.0.2.7:99", 0);
    UNTIL(&f, c->has_ended);
    assert_true(has(c, " 400 "));
    assert_false(has(c, "192.0.2.7"));
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_who_the_header_says),
        cmocka_unit_test(a_peers_own_clients_need_none),
        cmocka_unit_test(what_is_bad_or_does_not_come_is_closed),
        cmocka_unit_test(others_headers_are_no_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
