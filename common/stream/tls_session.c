// SPDX-License-Identifier: MIT
// tls_session.c — the TLS of one connection: bytes in, bytes out, no socket.

#include "common/stream/tls_session.h"

#include <mbedtls/error.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/stream/private.h"

// A peer that makes us answer without reading the answers (by warnings, for example)
// gets no further.
#define OUTPUT_MAX_BYTES ((size_t)96 * 1024)

struct tls_session {
    mbedtls_ssl_context ssl;
    struct tls_server *server;
    struct buf input; // encrypted
    size_t input_at;  // used up to here
    struct buf output;
    int failure; // of mbedTLS; 0: none
    bool is_resumed;
    bool has_said_all; // of what follows the handshake
};

size_t tls_session_input_bytes(const struct tls_session *t)
{
    return t->input.n_bytes - t->input_at;
}

bool tls_session_has_input(const struct tls_session *t)
{
    return tls_session_input_bytes(t) > 0 || !t->has_said_all ||
           mbedtls_ssl_check_pending(&t->ssl) != 0;
}

bool tls_session_is_resumed(const struct tls_session *t)
{
    return t->is_resumed;
}

// --- mbedTLS's side ---

static int take_input(void *data, unsigned char *at, size_t room)
{
    struct tls_session *t = data;
    size_t n_bytes = tls_session_input_bytes(t);

    if (n_bytes == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (n_bytes > room)
        n_bytes = room;
    memcpy(at, t->input.at + t->input_at, n_bytes);
    t->input_at += n_bytes;
    if (t->input_at == t->input.n_bytes) {
        buf_reset(&t->input);
        t->input_at = 0;
    }
    return (int)n_bytes;
}

static int put_output(void *data, const unsigned char *at, size_t n_bytes)
{
    struct tls_session *t = data;

    if (t->output.n_bytes + n_bytes > OUTPUT_MAX_BYTES)
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    buf_put(&t->output, at, n_bytes);
    return (int)n_bytes;
}

// --- life ---

struct tls_session *tls_session_new(struct tls_server *server)
{
    struct tls_session *t = xcalloc(1, sizeof(*t));

    t->server = tls_server_keep(server);
    buf_init(&t->input, 0);
    buf_init(&t->output, 0);
    mbedtls_ssl_init(&t->ssl);
    if (mbedtls_ssl_setup(&t->ssl, &server->config) != 0)
        abort(); // out of memory, as in xmalloc()
    mbedtls_ssl_set_bio(&t->ssl, t, put_output, take_input, NULL);
    return t;
}

void tls_session_free(struct tls_session *t)
{
    if (t == NULL)
        return;
    mbedtls_ssl_free(&t->ssl);
    tls_server_free(t->server);
    buf_clear(&t->input);
    buf_clear(&t->output);
    free(t);
}

void tls_session_slim(struct tls_session *t)
{
    if (tls_session_input_bytes(t) == 0) {
        buf_clear(&t->input);
        t->input_at = 0;
    }
    if (t->output.n_bytes == 0)
        buf_clear(&t->output);
}

// --- input ---

void tls_session_feed(struct tls_session *t, struct str received)
{
    if (t->input_at > 0) {
        buf_consume(&t->input, t->input_at);
        t->input_at = 0;
    }
    buf_put(&t->input, received.at, received.n_bytes);
}

// mbedTLS sends no alert for some failures, as for a client without a certificate.
static enum tls_step fail(struct tls_session *t, int rc)
{
    if (t->failure == 0 && t->output.n_bytes == 0) {
        (void)mbedtls_ssl_send_alert_message(
            &t->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
            MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
    }
    t->failure = rc;
    return TLS_FAILED;
}

enum tls_step tls_session_shake(struct tls_session *t)
{
    uint64_t n_before = t->server->n_resumed;
    int rc = t->failure != 0 ? t->failure : mbedtls_ssl_handshake_step(&t->ssl);

    if (t->server->n_resumed != n_before)
        t->is_resumed = true;
    if (rc == MBEDTLS_ERR_SSL_WANT_READ)
        return TLS_NEEDS_INPUT;
    if (rc != 0)
        return fail(t, rc);
    return mbedtls_ssl_is_handshake_over(&t->ssl) != 0 ? TLS_DONE : TLS_GOES_ON;
}

enum tls_step tls_session_read(struct tls_session *t, char *at, size_t room,
                               size_t *n_bytes)
{
    int rc = t->failure;

    *n_bytes = 0;
    t->has_said_all = true;
    if (rc == 0)
        rc = mbedtls_ssl_read(&t->ssl, (unsigned char *)at, room);
    if (rc > 0) {
        *n_bytes = (size_t)rc;
        return TLS_GOES_ON;
    }
    if (rc == MBEDTLS_ERR_SSL_WANT_READ)
        return TLS_NEEDS_INPUT;
    if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        return TLS_END;
    return fail(t, rc != 0 ? rc : MBEDTLS_ERR_SSL_CONN_EOF);
}

// --- output ---

size_t tls_session_write(struct tls_session *t, struct str plain)
{
    int rc = t->failure;

    if (rc == 0) {
        rc = mbedtls_ssl_write(&t->ssl, (const unsigned char *)plain.at,
                               plain.n_bytes);
    }
    if (rc > 0)
        return (size_t)rc;
    t->failure = rc != 0 ? rc : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    return 0;
}

void tls_session_end(struct tls_session *t)
{
    if (t->failure == 0)
        (void)mbedtls_ssl_close_notify(&t->ssl);
}

struct buf tls_session_take_output(struct tls_session *t)
{
    struct buf taken = t->output;

    buf_init(&t->output, 0);
    return taken;
}

void tls_session_give_back(struct tls_session *t, struct buf *sent)
{
    buf_reset(sent);
    if (t->output.room_bytes > 0) {
        buf_clear(sent);
        return;
    }
    t->output = *sent;
    buf_init(sent, 0);
}

bool tls_session_has_output(const struct tls_session *t)
{
    return t->output.n_bytes > 0;
}

const char *tls_session_reason(const struct tls_session *t)
{
    static char text[160];

    if (t->failure == 0)
        return "";
    mbedtls_strerror(t->failure, text, sizeof(text));
    return text;
}
