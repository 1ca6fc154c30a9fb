// SPDX-License-Identifier: MIT
// secure.c — TLS for the generator's connections, by mbedTLS.

#include "bench/secure.h"

#include <errno.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/base/random.h"

struct secure {
    mbedtls_ssl_context ssl;
    int fd;
    int flags; // of send() and recv()
};

static int random_bytes(void *data, unsigned char *out, size_t n_bytes)
{
    (void)data;
    crypto_random(out, n_bytes);
    return 0;
}

static int on_send(void *data, const unsigned char *at, size_t n_bytes)
{
    const struct secure *s = data;
    ssize_t n = send(s->fd, at, n_bytes, s->flags | MSG_NOSIGNAL);

    if (n >= 0)
        return (int)n;
    return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE
                                             : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int on_receive(void *data, unsigned char *at, size_t room)
{
    const struct secure *s = data;
    ssize_t n = recv(s->fd, at, room, s->flags);

    if (n >= 0)
        return (int)n;
    return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ
                                             : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

// One for all connections, made when the first one needs it.
static mbedtls_ssl_config *shared_config(void)
{
    static mbedtls_ssl_config config;
    static bool is_made;

    if (is_made)
        return &config;
    is_made = true;
    mbedtls_ssl_config_init(&config);
    if (psa_crypto_init() != PSA_SUCCESS ||
        mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT,
                                    MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        abort();
    mbedtls_ssl_conf_rng(&config, random_bytes, NULL);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    return &config;
}

struct secure *secure_open(int fd)
{
    struct secure *s = xcalloc(1, sizeof(*s));
    char text[128];
    int rc;

    s->fd = fd;
    mbedtls_ssl_init(&s->ssl);
    if (mbedtls_ssl_setup(&s->ssl, shared_config()) != 0 ||
        mbedtls_ssl_set_hostname(&s->ssl, "localhost") != 0)
        abort();
    mbedtls_ssl_set_bio(&s->ssl, s, on_send, on_receive, NULL);
    rc = mbedtls_ssl_handshake(&s->ssl);
    s->flags = MSG_DONTWAIT;
    if (rc == 0)
        return s;
    mbedtls_strerror(rc, text, sizeof(text));
    fprintf(stderr, "TLS handshake: %s\n", text);
    secure_close(s);
    return NULL;
}

void secure_close(struct secure *s)
{
    if (s == NULL)
        return;
    mbedtls_ssl_free(&s->ssl);
    free(s);
}

static ssize_t as_system_call(int rc)
{
    if (rc > 0)
        return rc;
    if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE ||
        rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
        errno = EAGAIN;
        return -1;
    }
    if (rc == 0 || rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        return 0;
    errno = EPROTO;
    return -1;
}

ssize_t secure_write(struct secure *s, const char *at, size_t n_bytes)
{
    return as_system_call(
        mbedtls_ssl_write(&s->ssl, (const unsigned char *)at, n_bytes));
}

ssize_t secure_read(struct secure *s, char *at, size_t room)
{
    int rc;

    do {
        rc = mbedtls_ssl_read(&s->ssl, (unsigned char *)at, room);
    } while (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
    return as_system_call(rc);
}
