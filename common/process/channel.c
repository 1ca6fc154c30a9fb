// SPDX-License-Identifier: MIT
// channel.c — frames between two processes over a unix socket.
//
// Happy path: frames collect in `filling`; before the loop waits, they leave
// in one write. While a write is under way the next frames collect.
//
// If it fails: end of file, an error, or a frame over the cap closes the
// channel and tells the owner once.

#include "common/process/channel.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/base/mem.h"
#include "common/log/log.h"

#define HEADER_BYTES 4
#define READ_BYTES   ((size_t)256 * 1024)

struct channel {
    uv_pipe_t pipe;
    uv_prepare_t flusher; // active while `filling` has frames
    uv_write_t write;
    struct buf filling;
    struct buf sending;  // what `write` is sending
    size_t n_sent_bytes; // of `sending`, by uv_try_write
    size_t frame_start;  // in `filling`, between channel_begin and channel_end
    char *input;         // owned; READ_BYTES or one frame, whichever is larger
    size_t input_room_bytes;
    size_t n_input_bytes;
    struct channel_limits limits;
    channel_frame_cb on_frame;
    channel_closed_cb on_closed; // NULL once told, or after channel_close()
    void *data;
    bool is_writing;
    bool is_refused;
    bool is_closing;
    int n_open_handles;
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct channel *c = handle->data;

    if (--c->n_open_handles > 0)
        return;
    buf_clear(&c->filling);
    buf_clear(&c->sending);
    free(c->input);
    free(c);
}

static void close_handles(struct channel *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    uv_close((uv_handle_t *)&c->flusher, on_handle_closed);
    uv_close((uv_handle_t *)&c->pipe, on_handle_closed);
}

void channel_refuse(struct channel *c)
{
    c->is_refused = true;
}

void channel_close(struct channel *c)
{
    c->on_closed = NULL;
    close_handles(c);
}

static void fail(struct channel *c)
{
    channel_closed_cb on_closed = c->on_closed;

    if (c->is_closing)
        return;
    c->on_closed = NULL;
    close_handles(c);
    if (on_closed != NULL)
        on_closed(c->data); // last: the handles are freed later
}

static void start_write(struct channel *c);

static void on_written(uv_write_t *write, int status)
{
    struct channel *c = write->data;

    c->is_writing = false;
    if (status < 0) {
        fail(c);
        return;
    }
    if (c->filling.n_bytes > 0 && !c->is_closing)
        start_write(c);
}

// Most writes fit into the socket's buffer and need no write request.
static void start_write(struct channel *c)
{
    struct buf swap = c->sending;
    uv_buf_t bytes;
    int n;

    c->sending = c->filling;
    c->filling = swap;
    buf_reset(&c->filling);
    bytes = uv_buf_init(c->sending.at, (unsigned)c->sending.n_bytes);
    n = uv_try_write((uv_stream_t *)&c->pipe, &bytes, 1);
    if (n == (int)c->sending.n_bytes)
        return;
    if (n < 0 && n != UV_EAGAIN) {
        fail(c);
        return;
    }
    c->n_sent_bytes = n > 0 ? (size_t)n : 0;
    bytes = uv_buf_init(c->sending.at + c->n_sent_bytes,
                        (unsigned)(c->sending.n_bytes - c->n_sent_bytes));
    n = uv_write(&c->write, (uv_stream_t *)&c->pipe, &bytes, 1, on_written);
    if (n < 0) {
        fail(c);
        return;
    }
    c->is_writing = true;
}

static void on_flush(uv_prepare_t *flusher)
{
    struct channel *c = flusher->data;

    uv_prepare_stop(flusher);
    if (!c->is_writing && c->filling.n_bytes > 0)
        start_write(c);
}

struct buf *channel_begin(struct channel *c)
{
    static const char header[HEADER_BYTES];

    c->frame_start = c->filling.n_bytes;
    buf_put(&c->filling, header, sizeof(header));
    return &c->filling;
}

enum err channel_end(struct channel *c)
{
    size_t n_bytes = c->filling.n_bytes - c->frame_start - HEADER_BYTES;
    char *header = c->filling.at + c->frame_start;

    if (n_bytes > c->limits.out_bytes) {
        buf_cut(&c->filling, c->frame_start);
        return ERR_TOOBIG;
    }
    for (size_t i = 0; i < HEADER_BYTES; i++)
        header[i] = (char)(n_bytes >> (24 - 8 * i));
    if (c->is_closing) {
        buf_reset(&c->filling); // nobody will read it
        return OK;
    }
    if (!c->is_writing)
        uv_prepare_start(&c->flusher, on_flush);
    return OK;
}

void channel_end_small(struct channel *c)
{
    if (channel_end(c) != OK)
        log_panic("a message of fixed size is larger than its limit", "");
}

size_t channel_unsent_bytes(const struct channel *c)
{
    return c->filling.n_bytes +
           (c->is_writing ? c->sending.n_bytes - c->n_sent_bytes : 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct channel *c = handle->data;

    (void)suggested;
    *out = uv_buf_init(c->input + c->n_input_bytes,
                       (unsigned)(c->input_room_bytes - c->n_input_bytes));
}

static size_t frame_bytes(const char *header)
{
    const unsigned char *h = (const unsigned char *)header;

    return (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
}

// Hands all complete frames to the owner. Returns how many bytes they had, or
// SIZE_MAX if the other side broke the rules.
static size_t take_frames(struct channel *c)
{
    size_t at = 0;

    while (c->n_input_bytes - at >= HEADER_BYTES && !c->is_closing &&
           !c->is_refused) {
        size_t n_bytes = frame_bytes(c->input + at);

        if (n_bytes > c->limits.in_bytes)
            return SIZE_MAX;
        if (c->n_input_bytes - at - HEADER_BYTES < n_bytes)
            break;
        c->on_frame(c->data,
                    (struct str){ c->input + at + HEADER_BYTES, n_bytes });
        at += HEADER_BYTES + n_bytes;
    }
    return at;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct channel *c = stream->data;
    size_t n_taken;

    (void)bytes;
    if (n < 0) {
        fail(c);
        return;
    }
    c->n_input_bytes += (size_t)n;
    n_taken = take_frames(c);
    if (n_taken == SIZE_MAX) {
        log_warn("a message between two roles is larger than max_bytes; their "
                 "link is closed",
                 "max_bytes=%zu", c->limits.in_bytes);
        fail(c);
        return;
    }
    if (c->is_refused) {
        fail(c);
        return;
    }
    c->n_input_bytes -= n_taken;
    if (c->n_input_bytes > 0 && n_taken > 0)
        memmove(c->input, c->input + n_taken, c->n_input_bytes);
}

struct channel *channel_open(struct uv_loop_s *loop, int fd,
                             struct channel_limits limits,
                             const struct channel_handlers *handlers)
{
    struct channel *c = xcalloc(1, sizeof(*c));

    c->limits = limits;
    c->input_room_bytes = limits.in_bytes + HEADER_BYTES > READ_BYTES
                              ? limits.in_bytes + HEADER_BYTES
                              : READ_BYTES;
    c->input = xmalloc(c->input_room_bytes);
    c->on_frame = handlers->on_frame;
    c->on_closed = handlers->on_closed;
    c->data = handlers->data;
    c->n_open_handles = 2;
    buf_init(&c->filling, 0);
    buf_init(&c->sending, 0);
    uv_pipe_init(loop, &c->pipe, 0);
    uv_prepare_init(loop, &c->flusher);
    c->pipe.data = c;
    c->flusher.data = c;
    c->write.data = c;
    if (uv_pipe_open(&c->pipe, fd) != 0 ||
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0)
        log_panic("a link between two roles cannot be opened", "fd=%d", fd);
    return c;
}
