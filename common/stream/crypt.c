// SPDX-License-Identifier: MIT
// crypt.c — the life of a TLS stream: its handshake, what comes, its end.
//
// Happy path of a TLS stream: the first bytes come and reading pauses; the handshake
// gets its turns (shake_turns.h), reading in between; then the owner reads. What comes
// is decrypted into the owner's buffer at once. Bytes that the owner did not want yet
// stay encrypted, and are decrypted in a turn of the hub once it reads again: never
// inside its call.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/stream/crypt_private.h"

#define READ_BYTES            ((size_t)16 * 1024) // encrypted, at once
#define HELLO_BYTES           ((size_t)4 * 1024) // before a handshake has begun
#define TURN_NS               UINT64_C(5000000) // of handshakes, in one turn of the loop
#define STEPS_NS              UINT64_C(1000000) // of one handshake, in one turn of its own
#define RECORD_TYPE_HANDSHAKE 22

struct stream_hub {
    uv_idle_t turner; // active while somebody waits for a turn
    uv_loop_t *loop;
    struct tls_server *tls;
    struct shake_turns shakes;
    struct list resumed; // streams with input whose owners read again
    struct stream_hub_figures figures;
    char *read_buffer; // of all streams
    bool is_turning;
    void (*on_shaken)(struct stream *s, enum shaken how);
};

static void receive(struct crypt *c);
static void deliver(struct crypt *c);

static struct stream *stream_of(uv_handle_t *handle)
{
    return (struct stream *)(void *)handle; // its first member
}

static struct crypt *crypt_of(struct shaker *shaker)
{
    return (struct crypt *)(void *)((char *)shaker -
                                    offsetof(struct crypt, shaker));
}

// --- the hub's turns ---

static void run_resumed(struct stream_hub *h)
{
    const struct list_node *last = h->resumed.last;
    uint64_t began_ns = uv_hrtime();
    bool is_last = false;
    struct crypt *c;

    while (!is_last && uv_hrtime() - began_ns < TURN_NS &&
           (c = LIST_POP(&h->resumed, struct crypt, resumed)) != NULL) {
        is_last = &c->resumed == last;
        c->is_resumed = false;
        deliver(c);
    }
}

static void on_turn(uv_idle_t *turner)
{
    struct stream_hub *h = turner->data;
    uint64_t began_ns = uv_hrtime();
    bool has_more = true;

    while (has_more && uv_hrtime() - began_ns < TURN_NS)
        has_more = shakes_run(&h->shakes, (int64_t)(uv_hrtime() / 1000));
    run_resumed(h);
    if (!has_more && h->resumed.first == NULL && h->shakes.ring.first == NULL) {
        uv_idle_stop(&h->turner);
        h->is_turning = false;
    }
}

static void want_turn(struct stream_hub *h)
{
    if (h->is_turning)
        return;
    h->is_turning = true;
    uv_idle_start(&h->turner, on_turn);
}

static void want_shake(struct crypt *c)
{
    shakes_ready(&c->hub->shakes, &c->shaker);
    want_turn(c->hub);
}

// --- the handshake ---

static void tell(struct crypt *c, enum shaken how)
{
    struct stream_hub *h = c->hub;

    shakes_leave(&h->shakes, &c->shaker);
    if (how == SHAKEN_FAILED)
        h->figures.n_failed++;
    h->on_shaken(c->stream, how);
}

static void shake(struct crypt *c)
{
    uint64_t began_ns = uv_hrtime();
    enum tls_step step = TLS_GOES_ON;

    while (step == TLS_GOES_ON && uv_hrtime() - began_ns < STEPS_NS)
        step = tls_session_shake(c->tls);
    if (crypt_flush(c) != 0) {
        tell(c, SHAKEN_GONE);
    } else if (step == TLS_GOES_ON) {
        want_shake(c);
    } else if (step == TLS_NEEDS_INPUT) {
        receive(c);
    } else if (step == TLS_DONE) {
        c->state = CRYPT_OPEN;
        c->hub->figures.n_handshakes++;
        c->hub->figures.n_resumed += tls_session_is_resumed(c->tls);
        tell(c, SHAKEN_DONE);
    } else {
        c->reason = tls_session_reason(c->tls);
        tell(c, SHAKEN_FAILED);
    }
}

static void on_shake_turn(void *data, struct shaker *shaker)
{
    struct crypt *c = crypt_of(shaker);

    (void)data;
    if (c->tls == NULL) {
        c->tls = tls_session_new(c->hub->tls);
        tls_session_feed(c->tls, buf_str(&c->hello));
        buf_clear(&c->hello);
    }
    shake(c);
}

static void on_evicted(void *data, struct shaker *shaker)
{
    (void)data;
    tell(crypt_of(shaker), SHAKEN_LATE);
}

// Whether a client that sends this speaks HTTP, without TLS.
static bool is_http(const char *at)
{
    return *at >= 'A' && *at <= 'Z';
}

static void take_hello(struct crypt *c, struct str bytes)
{
    struct stream *s = c->stream;

    if (c->tls != NULL) {
        tls_session_feed(c->tls, bytes);
        want_shake(c);
    } else if (is_http(bytes.at)) {
        struct stream_hub *h = c->hub;

        shakes_leave(&h->shakes, &c->shaker);
        stream_clear(s);
        h->figures.n_failed++;
        h->on_shaken(s, SHAKEN_PLAIN);
    } else if (bytes.at[0] != RECORD_TYPE_HANDSHAKE) {
        c->reason = "what the client sends is not TLS";
        tell(c, SHAKEN_FAILED);
    } else {
        buf_put(&c->hello, bytes.at, bytes.n_bytes);
        want_shake(c);
    }
}

size_t crypt_held_bytes(const struct stream *s)
{
    const struct crypt *c = s->crypt;

    return c->hello.n_bytes + c->sending.n_bytes +
           (c->tls != NULL ? tls_session_input_bytes(c->tls) : 0);
}

// --- input ---

static void on_crypt_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    const struct crypt *c = stream_of(handle)->crypt;

    (void)suggested;
    *out = uv_buf_init(c->hub->read_buffer,
                       (unsigned)(c->tls == NULL ? HELLO_BYTES : READ_BYTES));
}

static void stop_receiving(struct crypt *c)
{
    if (c->is_receiving)
        uv_read_stop(stream_uv(c->stream));
    c->is_receiving = false;
}

static void on_received(uv_stream_t *from, ssize_t n, const uv_buf_t *bytes)
{
    struct crypt *c = stream_of((uv_handle_t *)from)->crypt;
    struct str received = { bytes->base, n > 0 ? (size_t)n : 0 };
    const uv_buf_t nothing = { .base = NULL };

    if (n == 0)
        return;
    if (c->state == CRYPT_SHAKING) {
        stop_receiving(c);
        if (n < 0) {
            tell(c, SHAKEN_GONE);
        } else {
            take_hello(c, received);
        }
    } else if (n < 0) {
        stop_receiving(c);
        c->on_read(from, n, &nothing);
    } else {
        tls_session_feed(c->tls, received);
        deliver(c);
    }
}

static void receive(struct crypt *c)
{
    if (c->is_receiving)
        return;
    c->is_receiving =
        uv_read_start(stream_uv(c->stream), on_crypt_alloc, on_received) == 0;
}

// Decrypts what has come, as long as the owner reads.
static void deliver(struct crypt *c)
{
    uv_stream_t *from = stream_uv(c->stream);
    enum tls_step step = TLS_GOES_ON;

    while (step == TLS_GOES_ON && c->is_reading && c->state == CRYPT_OPEN) {
        uv_buf_t bytes = { .base = NULL };
        size_t n_bytes;

        c->on_alloc((uv_handle_t *)from, READ_BYTES, &bytes);
        step = tls_session_read(c->tls, bytes.base, bytes.len, &n_bytes);
        if (step == TLS_GOES_ON) {
            c->on_read(from, (ssize_t)n_bytes, &bytes);
        } else if (step != TLS_NEEDS_INPUT) {
            stop_receiving(c);
            if (step == TLS_FAILED)
                c->reason = tls_session_reason(c->tls);
            (void)crypt_flush(c); // an alert
            c->on_read(from, step == TLS_END ? UV_EOF : UV_EPROTO, &bytes);
            return;
        }
    }
    if (c->state != CRYPT_OPEN)
        return;
    (void)crypt_flush(
        c); // warnings; a socket that is broken says so to the reader
    if (c->is_reading) {
        receive(c);
    } else {
        stop_receiving(c);
    }
}

int crypt_start(struct stream *s, uv_alloc_cb on_alloc, uv_read_cb on_read)
{
    struct crypt *c = s->crypt;

    c->on_alloc = on_alloc;
    c->on_read = on_read;
    if (c->is_reading || c->state != CRYPT_OPEN)
        return 0;
    c->is_reading = true;
    if (!tls_session_has_input(c->tls)) {
        receive(c);
        return c->is_receiving ? 0 : UV_ENOTCONN;
    }
    if (!c->is_resumed)
        list_push(&c->hub->resumed, &c->resumed);
    c->is_resumed = true;
    want_turn(c->hub);
    return 0;
}

void crypt_stop(struct stream *s)
{
    s->crypt->is_reading = false;
    if (s->crypt->state == CRYPT_OPEN)
        stop_receiving(s->crypt);
}

// --- life ---

void stream_secure(struct stream *s, struct stream_hub *h,
                   const uint8_t address[16], bool is_of_many)
{
    struct crypt *c = xcalloc(1, sizeof(*c));

    c->stream = s;
    c->hub = h;
    c->reason = "";
    buf_init(&c->hello, 0);
    buf_init(&c->sending, 0);
    s->crypt = c;
    shakes_join(&h->shakes, &c->shaker, address, is_of_many);
    receive(c);
}

void stream_refuse(struct stream *s)
{
    char alert[TLS_REFUSAL_BYTES];
    uv_buf_t bytes = uv_buf_init(alert, sizeof(alert));

    memcpy(alert, tls_refusal, sizeof(alert));
    (void)uv_try_write(stream_uv(s), &bytes, 1);
}

void crypt_close(struct stream *s, bool is_complete)
{
    struct crypt *c = s->crypt;

    shakes_leave(&c->hub->shakes, &c->shaker);
    if (c->is_resumed)
        list_remove(&c->hub->resumed, &c->resumed);
    c->is_resumed = false;
    if (is_complete && c->state == CRYPT_OPEN && !c->is_writing &&
        uv_is_writable(stream_uv(s)) != 0) {
        struct buf last;
        uv_buf_t bytes;

        tls_session_end(c->tls);
        last = tls_session_take_output(c->tls);
        bytes = uv_buf_init(last.at, (unsigned)last.n_bytes);
        if (last.n_bytes > 0)
            (void)uv_try_write(stream_uv(s), &bytes, 1);
        buf_clear(&last);
    }
    c->state = CRYPT_CLOSED;
    c->is_reading = false;
    c->is_receiving = false;
}

void stream_clear(struct stream *s)
{
    struct crypt *c = s->crypt;

    s->crypt = NULL;
    if (c == NULL)
        return;
    crypt_fail_writes(c, UV_ECANCELED);
    tls_session_free(c->tls);
    buf_clear(&c->hello);
    buf_clear(&c->sending);
    free(c);
}

void crypt_slim(struct stream *s)
{
    if (s->crypt->tls != NULL)
        tls_session_slim(s->crypt->tls);
}

const char *stream_reason(const struct stream *s)
{
    return s->crypt != NULL ? s->crypt->reason : "";
}

// --- the hub ---

struct stream_hub *
stream_hub_new(uv_loop_t *loop, unsigned max_handshakes_per_second,
               void (*on_shaken)(struct stream *s, enum shaken how))
{
    struct stream_hub *h = xcalloc(1, sizeof(*h));

    h->loop = loop;
    h->on_shaken = on_shaken;
    shakes_init(&h->shakes, max_handshakes_per_second);
    h->shakes.on_turn = on_shake_turn;
    h->shakes.on_evicted = on_evicted;
    uv_idle_init(loop, &h->turner);
    h->turner.data = h;
    return h;
}

void stream_hub_set_tls(struct stream_hub *h, struct tls_server *tls)
{
    tls_server_free(h->tls);
    h->tls = tls;
    if (tls != NULL && h->read_buffer == NULL)
        h->read_buffer = xmalloc(READ_BYTES);
}

bool stream_hub_has_tls(const struct stream_hub *h)
{
    return h->tls != NULL;
}

void stream_hub_tick(struct stream_hub *h)
{
    shakes_tick(&h->shakes);
    if (h->shakes.ring.first != NULL)
        want_turn(h);
}

void stream_hub_close(struct stream_hub *h, uv_close_cb on_closed, void *data)
{
    h->turner.data = data;
    uv_close((uv_handle_t *)&h->turner, on_closed);
}

void stream_hub_free(struct stream_hub *h)
{
    shakes_clear(&h->shakes);
    tls_server_free(h->tls);
    free(h->read_buffer);
    free(h);
}

struct stream_hub_figures stream_hub_figures(const struct stream_hub *h)
{
    return h->figures;
}
