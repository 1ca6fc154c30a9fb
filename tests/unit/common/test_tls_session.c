// SPDX-License-Identifier: MIT
// test_tls_session.c — the TLS of one connection, with a client in memory.

#include "common/stream/tls_session.h"

#include <fcntl.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/stream/tls_bundle.h"

#include "tests/support/unit.h"

#define FOLDER    "tests/fixtures/tls/"
#define ROOM      ((size_t)64 * 1024)
#define STEPS_MAX 100

struct client {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    struct tls_session *server;
    char received[ROOM];
    size_t n_received, at;
};

static struct str read_file(const char *name, char room[8192])
{
    char path[100];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), FOLDER "%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = read(fd, room, 8192);
    close(fd);
    assert_true(n > 0 && n < 8192);
    return (struct str){ room, (size_t)n };
}

static struct tls_server *make_server(void)
{
    static char chain[8192];
    static char key[8192];
    const struct tls_texts texts = {
        .of = { [TLS_CERTIFICATE] = read_file("chain.pem", chain),
                [TLS_KEY] = read_file("key.pem", key) }
    };
    struct tls_server *server = NULL;
    struct buf why;
    int fd = tls_bundle_make(&texts);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), -1); // sealed
    buf_init(&why, 0);
    assert_int_equal(tls_bundle_load(fd, &server, &why), OK);
    buf_clear(&why);
    close(fd);
    return server;
}

static int random_bytes(void *data, unsigned char *out, size_t n_bytes)
{
    (void)data;
    crypto_random(out, n_bytes);
    return 0;
}

static int on_send(void *data, const unsigned char *at, size_t n_bytes)
{
    struct client *c = data;

    tls_session_feed(c->server, (struct str){ (const char *)at, n_bytes });
    return (int)n_bytes;
}

// Moves what the server has to say.
static void collect(struct client *c)
{
    struct buf out = tls_session_take_output(c->server);

    assert_true(c->n_received - c->at + out.n_bytes <= ROOM);
    memmove(c->received, c->received + c->at, c->n_received - c->at);
    c->n_received -= c->at;
    c->at = 0;
    if (out.n_bytes > 0)
        memcpy(c->received + c->n_received, out.at, out.n_bytes);
    c->n_received += out.n_bytes;
    tls_session_give_back(c->server, &out);
    buf_clear(&out);
}

static int on_receive(void *data, unsigned char *at, size_t room)
{
    struct client *c = data;
    size_t n = c->n_received - c->at < room ? c->n_received - c->at : room;

    if (n == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(at, c->received + c->at, n);
    c->at += n;
    return (int)n;
}

static struct client *client_new(struct tls_server *server,
                                 mbedtls_ssl_protocol_version version)
{
    struct client *c = xcalloc(1, sizeof(*c));

    c->server = tls_session_new(server);
    mbedtls_ssl_config_init(&c->config);
    mbedtls_ssl_init(&c->ssl);
    assert_int_equal(psa_crypto_init(), PSA_SUCCESS);
    assert_int_equal(mbedtls_ssl_config_defaults(&c->config,
                                                 MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&c->config, random_bytes, NULL);
    mbedtls_ssl_conf_authmode(&c->config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_min_tls_version(&c->config, version);
    mbedtls_ssl_conf_max_tls_version(&c->config, version);
    assert_int_equal(mbedtls_ssl_setup(&c->ssl, &c->config), 0);
    assert_int_equal(mbedtls_ssl_set_hostname(&c->ssl, "localhost"), 0);
    mbedtls_ssl_set_bio(&c->ssl, c, on_send, on_receive, NULL);
    return c;
}

static void client_free(struct client *c)
{
    tls_session_free(c->server);
    mbedtls_ssl_free(&c->ssl);
    mbedtls_ssl_config_free(&c->config);
    free(c);
}

static void shake(struct client *c)
{
    enum tls_step step = TLS_NEEDS_INPUT;
    int rc = MBEDTLS_ERR_SSL_WANT_READ;

    for (int i = 0; rc != 0 || step != TLS_DONE; i++) {
        assert_true(i < STEPS_MAX);
        if (rc != 0)
            rc = mbedtls_ssl_handshake(&c->ssl);
        assert_true(rc == 0 || rc == MBEDTLS_ERR_SSL_WANT_READ);
        if (step != TLS_DONE)
            step = tls_session_shake(c->server);
        assert_true(step != TLS_FAILED && step != TLS_END);
        collect(c);
    }
}

static size_t client_read(struct client *c, char *at, size_t room)
{
    int rc;

    do {
        rc = mbedtls_ssl_read(&c->ssl, (unsigned char *)at, room);
    } while (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
    assert_true(rc > 0);
    return (size_t)rc;
}

static void check_exchange(mbedtls_ssl_protocol_version version)
{
    static char big[100000];
    static char back[20000];
    struct tls_server *server = make_server();
    struct client *c = client_new(server, version);
    size_t n_bytes;

    tls_server_free(server); // the session keeps it
    shake(c);
    assert_false(tls_session_is_resumed(c->server));
    // A ticket does not wait for the first request.
    assert_true(tls_session_has_input(c->server));
    assert_int_equal(tls_session_read(c->server, back, 1, &n_bytes),
                     TLS_NEEDS_INPUT);
    assert_int_equal(tls_session_has_output(c->server),
                     version == MBEDTLS_SSL_VERSION_TLS1_3);
    assert_false(tls_session_has_input(c->server));
    collect(c);
    assert_int_equal(
        mbedtls_ssl_write(&c->ssl, (const unsigned char *)"hello", 5), 5);
    assert_true(tls_session_has_input(c->server));
    // A byte at a time: what is not taken stays.
    assert_int_equal(tls_session_read(c->server, back, 1, &n_bytes),
                     TLS_GOES_ON);
    assert_int_equal(n_bytes, 1);
    assert_true(tls_session_has_input(c->server));
    assert_int_equal(tls_session_read(c->server, back + 1, 100, &n_bytes),
                     TLS_GOES_ON);
    assert_int_equal(n_bytes, 4);
    assert_memory_equal(back, "hello", 5);
    assert_int_equal(tls_session_read(c->server, back, 1, &n_bytes),
                     TLS_NEEDS_INPUT);
    assert_false(tls_session_has_input(c->server));
    // One call, one record; a ticket of TLS 1.3 may come before it.
    n_bytes = tls_session_write(c->server, (struct str){ big, sizeof(big) });
    assert_true(n_bytes > 0 && n_bytes <= 16384);
    collect(c);
    assert_true(c->n_received <= n_bytes + 1000);
    assert_int_equal(client_read(c, back, sizeof(back)), n_bytes);
    // The ends of both sides.
    tls_session_end(c->server);
    collect(c);
    assert_int_equal(mbedtls_ssl_read(&c->ssl, (unsigned char *)back, 1),
                     MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    assert_int_equal(mbedtls_ssl_close_notify(&c->ssl), 0);
    assert_int_equal(tls_session_read(c->server, back, 1, &n_bytes), TLS_END);
    client_free(c);
}

static void both_versions_carry_bytes_and_ends(void **state)
{
    (void)state;
    check_exchange(MBEDTLS_SSL_VERSION_TLS1_2);
    check_exchange(MBEDTLS_SSL_VERSION_TLS1_3);
}

static void a_record_that_was_changed_breaks_the_session(void **state)
{
    struct tls_server *server = make_server();
    struct client *c = client_new(server, MBEDTLS_SSL_VERSION_TLS1_3);
    char record[] = "\x17\x03\x03\x00\x20................................";
    size_t n_bytes;
    char byte;

    (void)state;
    tls_server_free(server);
    shake(c);
    tls_session_feed(c->server, (struct str){ record, 37 });
    assert_int_equal(tls_session_read(c->server, &byte, 1, &n_bytes),
                     TLS_FAILED);
    assert_true(tls_session_has_output(c->server)); // the alert
    assert_true(tls_session_reason(c->server)[0] != '\0');
    // From now on it is of no use.
    assert_int_equal(tls_session_read(c->server, &byte, 1, &n_bytes),
                     TLS_FAILED);
    assert_int_equal(tls_session_write(c->server, STR("x")), 0);
    client_free(c);
}

static void garbage_gets_an_alert(void **state)
{
    struct tls_server *server = make_server();
    struct tls_session *t = tls_session_new(server);
    enum tls_step step = TLS_GOES_ON;

    (void)state;
    tls_server_free(server);
    tls_session_feed(t, STR("\x16\x03\x01\x00\x05garbage and more of it"));
    for (int i = 0; step == TLS_GOES_ON; i++) {
        assert_true(i < STEPS_MAX);
        step = tls_session_shake(t);
    }
    assert_int_equal(step, TLS_FAILED);
    assert_true(tls_session_has_output(t));
    tls_session_free(t);
}

static void the_pin_is_that_of_the_key(void **state)
{
    struct tls_server *server = make_server();
    char pin[TLS_PIN_BYTES];

    (void)state;
    tls_server_pin(server, pin);
    assert_memory_equal(pin, "sha256//", 8);
    assert_int_equal(strlen(pin), 8 + 44);
    tls_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_carry_bytes_and_ends),
        cmocka_unit_test(a_record_that_was_changed_breaks_the_session),
        cmocka_unit_test(garbage_gets_an_alert),
        cmocka_unit_test(the_pin_is_that_of_the_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
