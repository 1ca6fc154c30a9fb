// SPDX-License-Identifier: MIT
// crypt_output.c — what a stream sends, plain or encrypted.
//
// A record is encrypted and sent. What the kernel does not take of it is handed to
// libuv, and no other record is encrypted before it has gone.

#include <assert.h>

#include "common/stream/crypt_private.h"

static void pump(struct crypt *c);

void crypt_fail_writes(struct crypt *c, int status)
{
    uv_shutdown_t *request = c->request;
    struct stream_write *w;

    c->request = NULL;
    c->n_queued_bytes = 0;
    while ((w = LIST_POP(&c->writes, struct stream_write, node)) != NULL)
        w->done(w, status);
    if (request != NULL)
        c->on_shut_down(request, status);
}

static void on_sent(uv_write_t *write, int status)
{
    struct crypt *c = write->data;

    c->is_writing = false;
    tls_session_give_back(c->tls, &c->sending);
    if (status < 0) {
        crypt_fail_writes(c, status);
    } else {
        pump(c);
    }
}

int crypt_flush(struct crypt *c)
{
    uv_stream_t *to = stream_uv(c->stream);
    uv_buf_t bytes;
    int n;

    if (c->is_writing || c->tls == NULL || !tls_session_has_output(c->tls))
        return 0;
    c->sending = tls_session_take_output(c->tls);
    bytes = uv_buf_init(c->sending.at, (unsigned)c->sending.n_bytes);
    n = uv_try_write(to, &bytes, 1);
    if (n == (int)c->sending.n_bytes || (n < 0 && n != UV_EAGAIN)) {
        tls_session_give_back(c->tls, &c->sending);
        return n < 0 ? n : 0;
    }
    if (n > 0)
        buf_consume(&c->sending, (size_t)n);
    bytes = uv_buf_init(c->sending.at, (unsigned)c->sending.n_bytes);
    c->write.data = c;
    n = uv_write(&c->write, to, &bytes, 1, on_sent);
    c->is_writing = n == 0;
    return n;
}

// Encrypts and sends from `rest` until the kernel takes no more. Returns an error of
// the socket, or 0.
static int send_some(struct crypt *c, uv_buf_t *rest)
{
    int rc = 0;

    while (rc == 0 && !c->is_writing && rest->len > 0) {
        size_t n =
            tls_session_write(c->tls, (struct str){ rest->base, rest->len });

        if (n == 0)
            return UV_EPROTO;
        rest->base += n;
        rest->len -= n;
        rc = crypt_flush(c);
    }
    return rc;
}

int crypt_try_write(struct stream *s, const uv_buf_t *bytes)
{
    struct crypt *c = s->crypt;
    uv_buf_t rest = *bytes;
    int rc;

    if (c->state != CRYPT_OPEN)
        return UV_EPIPE;
    if (c->is_writing || c->writes.first != NULL)
        return UV_EAGAIN;
    rc = crypt_flush(c); // alerts
    if (rc == 0)
        rc = send_some(c, &rest);
    return rc != 0 ? rc : (int)(bytes->len - rest.len);
}

void crypt_write(struct stream *s, struct stream_write *w)
{
    struct crypt *c = s->crypt;

    assert(c->is_writing); // something was left, so `done` runs later
    c->n_queued_bytes += w->rest.len;
    list_push(&c->writes, &w->node);
}

static void end_output(struct crypt *c)
{
    uv_shutdown_t *request = c->request;
    int rc;

    c->request = NULL;
    tls_session_end(c->tls);
    rc = crypt_flush(c);
    if (rc == 0)
        rc = uv_shutdown(request, stream_uv(c->stream), c->on_shut_down);
    if (rc != 0)
        c->on_shut_down(request, rc);
}

// Goes on with the output, once what was at libuv has gone.
static void pump(struct crypt *c)
{
    int rc = crypt_flush(c); // alerts

    while (rc == 0 && !c->is_writing && c->state == CRYPT_OPEN &&
           c->writes.first != NULL) {
        struct stream_write *w =
            LIST_FIRST(&c->writes, struct stream_write, node);
        size_t n_bytes = w->rest.len;

        rc = send_some(c, &w->rest);
        c->n_queued_bytes -= n_bytes - w->rest.len;
        if (rc == 0 && !c->is_writing) {
            list_remove(&c->writes, &w->node);
            w->done(w, 0);
        }
    }
    if (rc != 0) {
        crypt_fail_writes(c, rc);
    } else if (c->request != NULL && !c->is_writing &&
               c->writes.first == NULL && c->state == CRYPT_OPEN) {
        end_output(c);
    }
}

int crypt_shutdown(struct stream *s, uv_shutdown_t *request,
                   uv_shutdown_cb done)
{
    struct crypt *c = s->crypt;
    int rc;

    if (c->state != CRYPT_OPEN)
        return UV_ENOTCONN;
    c->on_shut_down = done;
    if (c->is_writing || c->writes.first != NULL) {
        c->request = request;
        return 0;
    }
    tls_session_end(c->tls);
    rc = crypt_flush(c);
    return rc != 0 ? rc : uv_shutdown(request, stream_uv(s), done);
}

size_t crypt_unsent_bytes(const struct stream *s)
{
    return s->crypt->n_queued_bytes + s->crypt->sending.n_bytes;
}

// --- plain streams ---

static void on_plain_written(uv_write_t *write, int status)
{
    struct stream_write *w = write->data;

    w->done(w, status);
}

int stream_plain_write(struct stream *s, struct stream_write *w)
{
    w->write.data = w;
    return uv_write(&w->write, stream_uv(s), &w->rest, 1, on_plain_written);
}
