// SPDX-License-Identifier: MIT
// stream.h — a client's connection, plain or TLS, with the same calls for both.
//
// A plain stream is libuv's: the functions here only pass on. A TLS stream decrypts
// what comes and encrypts what goes; what it holds is bounded: 16 KiB of input that
// was not asked for yet, and about two records of output that the client has not
// taken. Nothing is decrypted while the owner does not read, and nothing is encrypted
// while earlier output waits.
//
// If it fails: a handshake that does not end is the owner's to end, by the time since
// the connection was accepted. A record that is not right reaches the owner's reader
// as UV_EPROTO, once the client has been sent the alert.

#ifndef COMMON_STREAM_STREAM_H
#define COMMON_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/list.h"
#include "common/stream/tls_server.h"

struct stream;
struct crypt; // what a TLS stream has besides

enum shaken {
    SHAKEN_DONE,
    SHAKEN_PLAIN, // it is a plain stream now: the client speaks HTTP without TLS
    SHAKEN_FAILED, // the client was told; stream_reason()
    SHAKEN_LATE,   // it had to make room for other handshakes of its address
    SHAKEN_GONE    // the client has closed the connection
};

// What the streams of a server have in common.
struct stream_hub;

// `on_shaken` is called once for each stream of stream_secure(), but not once it is
// closed, and never inside a call of the owner.
struct stream_hub *
stream_hub_new(uv_loop_t *loop, unsigned max_handshakes_per_second,
               void (*on_shaken)(struct stream *s, enum shaken how));
// Makes new streams TLS streams; NULL: plain ones. Takes the caller's use of `tls`.
void stream_hub_set_tls(struct stream_hub *h, struct tls_server *tls);
bool stream_hub_has_tls(const struct stream_hub *h);
void stream_hub_tick(struct stream_hub *h); // called a few times a second
// Its streams are closed. `on_closed` runs later, with h's `data` in the handle; then
// stream_hub_free().
void stream_hub_close(struct stream_hub *h, uv_close_cb on_closed, void *data);
void stream_hub_free(struct stream_hub *h);

struct stream_hub_figures {
    uint64_t n_handshakes, n_resumed; // complete; those of them with a ticket
    uint64_t n_failed;
};
struct stream_hub_figures stream_hub_figures(const struct stream_hub *h);

struct stream {
    uv_tcp_t tcp;        // its `data` is the owner's
    struct crypt *crypt; // NULL: it is plain
};

// A write that waits. `done` runs once, later: when the client's kernel side has taken
// the bytes (status 0), or when they are lost.
struct stream_write {
    uv_write_t write;
    struct list_node node;
    uv_buf_t rest;
    void (*done)(struct stream_write *w, int status);
    void *data; // the caller's
};

// The handle is initialized and open: from now on it speaks TLS. Reads the handshake,
// until `on_shaken`. `is_of_many`: the address stands for many clients, such as that of
// a trusted proxy, so the limits for one address do not hold for it.
void stream_secure(struct stream *s, struct stream_hub *h,
                   const uint8_t address[16], bool is_of_many);

// Refuses a client before its handshake: an alert, as far as the kernel takes it.
void stream_refuse(struct stream *s);

// Why the handshake has failed, or the stream since; static.
const char *stream_reason(const struct stream *s);

// Frees what the stream holds besides its handle, which is closed.
void stream_clear(struct stream *s);

// For TLS streams; use the functions below.
int crypt_start(struct stream *s, uv_alloc_cb on_alloc, uv_read_cb on_read);
void crypt_stop(struct stream *s);
int crypt_try_write(struct stream *s, const uv_buf_t *bytes);
void crypt_write(struct stream *s, struct stream_write *w);
int crypt_shutdown(struct stream *s, uv_shutdown_t *request,
                   uv_shutdown_cb done);
void crypt_close(struct stream *s, bool is_complete);
void crypt_slim(struct stream *s);
size_t crypt_unsent_bytes(const struct stream *s);
size_t crypt_held_bytes(const struct stream *s);

int stream_plain_write(struct stream *s, struct stream_write *w);

static inline uv_stream_t *stream_uv(struct stream *s)
{
    return (uv_stream_t *)&s->tcp;
}

// As uv_read_start(), but `on_read` may get a buffer without bytes with an error.
static inline int stream_start(struct stream *s, uv_alloc_cb on_alloc,
                               uv_read_cb on_read)
{
    return s->crypt == NULL ? uv_read_start(stream_uv(s), on_alloc, on_read)
                            : crypt_start(s, on_alloc, on_read);
}

static inline void stream_stop(struct stream *s)
{
    if (s->crypt == NULL) {
        uv_read_stop(stream_uv(s));
    } else {
        crypt_stop(s);
    }
}

// As uv_try_write() with one buffer: how many bytes were taken, UV_EAGAIN, or another
// error. Of a TLS stream, the last bytes taken may still be encrypted in memory
// (stream_unsent_bytes()).
static inline int stream_try_write(struct stream *s, const uv_buf_t *bytes)
{
    return s->crypt == NULL ? uv_try_write(stream_uv(s), bytes, 1)
                            : crypt_try_write(s, bytes);
}

// Writes w->rest, which must stay where it is, after everything that waits. Only after
// stream_try_write() has taken less than all of it, or has left unsent bytes. An error:
// `done` will not run.
static inline int stream_write(struct stream *s, struct stream_write *w)
{
    if (s->crypt == NULL)
        return stream_plain_write(s, w);
    crypt_write(s, w);
    return 0;
}

// Bytes that were written and that the kernel has not taken.
static inline size_t stream_unsent_bytes(const struct stream *s)
{
    return s->crypt == NULL
               ? uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp)
               : crypt_unsent_bytes(s);
}

// Memory for input and output besides what the owner knows of.
static inline size_t stream_held_bytes(const struct stream *s)
{
    return s->crypt == NULL ? 0 : crypt_held_bytes(s);
}

// As uv_shutdown(); a TLS stream says before that nothing more comes.
static inline int stream_shutdown(struct stream *s, uv_shutdown_t *request,
                                  uv_shutdown_cb done)
{
    return s->crypt == NULL ? uv_shutdown(request, stream_uv(s), done)
                            : crypt_shutdown(s, request, done);
}

// As uv_close(). `is_complete`: the client has had every answer whole, and is told that
// nothing more comes; otherwise it must notice that something is missing.
static inline void stream_close(struct stream *s, bool is_complete,
                                uv_close_cb done)
{
    if (s->crypt != NULL)
        crypt_close(s, is_complete);
    uv_close((uv_handle_t *)&s->tcp, done);
}

// Frees buffers that are empty.
static inline void stream_slim(struct stream *s)
{
    if (s->crypt != NULL)
        crypt_slim(s);
}

#endif
