// SPDX-License-Identifier: MIT
// test_channel.c — frames between two processes: whole, in order, within their caps.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/codec.h"
#include "common/process/channel.h"
#include "tests/support/unit.h"

#define CAP_BYTES ((size_t)1024 * 1024)
#define N_FRAMES  300

struct end {
    struct channel *channel; // NULL: closed
    uint64_t n_frames;
    size_t n_frame_bytes; // of the last one
    uint64_t n_wrong;     // frames that are not the next, or not whole
    unsigned n_closed;
    uint64_t refuse_at; // refuses that frame; 0: none
    uint64_t wanted;    // stops the loop when this many frames came
    uv_loop_t *loop;
};

static size_t body_bytes(uint64_t no)
{
    return (size_t)(no * no % 9973) * (no % 50 == 0 ? 64 : 1);
}

static void on_frame(void *data, struct str frame)
{
    struct end *e = data;
    struct unpack u = unpack_of(frame);
    uint64_t no = unpack_u64(&u);
    struct str body = unpack_str(&u);
    bool is_whole = unpack_done(&u) == OK && body.n_bytes == body_bytes(no);

    for (size_t i = 0; is_whole && i < body.n_bytes; i++)
        is_whole = body.at[i] == (char)no;
    e->n_frames++;
    e->n_frame_bytes = frame.n_bytes;
    e->n_wrong += !is_whole || no != e->n_frames;
    if (e->n_frames == e->refuse_at)
        channel_refuse(e->channel);
    if (e->n_frames == e->wanted)
        uv_stop(e->loop);
}

static void on_closed(void *data)
{
    struct end *e = data;

    e->n_closed++;
    e->channel = NULL;
    uv_stop(e->loop);
}

static void open_end(struct end *e, uv_loop_t *loop, int fd)
{
    const struct channel_handlers handlers = { on_frame, on_closed, e };

    e->loop = loop;
    e->channel = channel_open(
        loop, fd, (struct channel_limits){ CAP_BYTES, CAP_BYTES }, &handlers);
}

static void pair(int fds[2])
{
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
        0);
}

static void put_frame(struct buf *out, uint64_t no)
{
    size_t n_bytes = body_bytes(no);
    char *body = malloc(n_bytes + 1);

    assert_non_null(body);
    memset(body, (char)no, n_bytes + 1);
    pack_u64(out, no);
    pack_str(out, (struct str){ body, n_bytes });
    free(body);
}

static void send_frames(struct end *e, uint64_t from, uint64_t to)
{
    for (uint64_t no = from; no <= to; no++) {
        put_frame(channel_begin(e->channel), no);
        assert_int_equal(channel_end(e->channel), OK);
    }
}

static void end_loop(uv_loop_t *loop, struct end *a, struct end *b)
{
    if (a != NULL && a->channel != NULL)
        channel_close(a->channel);
    if (b != NULL && b->channel != NULL)
        channel_close(b->channel);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void frames_arrive_whole_and_in_order(void **state)
{
    struct end a = { .wanted = N_FRAMES };
    struct end b = { .wanted = N_FRAMES };
    uv_loop_t loop;
    int fds[2];

    (void)state;
    uv_loop_init(&loop);
    pair(fds);
    open_end(&a, &loop, fds[0]);
    open_end(&b, &loop, fds[1]);
    send_frames(&a, 1, N_FRAMES); // more than a socket holds
    send_frames(&b, 1, N_FRAMES);
    assert_true(channel_unsent_bytes(a.channel) > 0);
    while (a.n_frames < N_FRAMES || b.n_frames < N_FRAMES)
        uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(a.n_wrong + b.n_wrong, 0);
    assert_int_equal(channel_unsent_bytes(a.channel), 0);
    assert_int_equal(a.n_closed + b.n_closed, 0);
    end_loop(&loop, &a, &b);
    assert_int_equal(a.n_closed + b.n_closed,
                     0); // channel_close() tells nobody
}

static void
a_frame_over_the_cap_is_taken_back_and_the_others_arrive(void **state)
{
    struct end a = { .wanted = 0 };
    struct end b = { .wanted = 2 };
    uv_loop_t loop;
    int fds[2];
    char *large = calloc(1, CAP_BYTES + 1);

    (void)state;
    assert_non_null(large);
    uv_loop_init(&loop);
    pair(fds);
    open_end(&a, &loop, fds[0]);
    open_end(&b, &loop, fds[1]);
    send_frames(&a, 1, 1);
    pack_str(channel_begin(a.channel), (struct str){ large, CAP_BYTES + 1 });
    assert_int_equal(channel_end(a.channel), ERR_TOOBIG);
    send_frames(&a, 2, 2);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(b.n_frames, 2);
    assert_int_equal(b.n_wrong, 0);
    free(large);
    end_loop(&loop, &a, &b);
}

// Reads the bytes of a peer that is not a channel: `bytes`, in pieces of `n_piece`
// bytes.
static struct end read_raw(struct str bytes, size_t n_piece, bool closes)
{
    struct end e = { .wanted = 1 };
    uv_loop_t loop;
    int fds[2];

    uv_loop_init(&loop);
    pair(fds);
    open_end(&e, &loop, fds[0]);
    for (size_t at = 0; at < bytes.n_bytes; at += n_piece) {
        size_t n = bytes.n_bytes - at < n_piece ? bytes.n_bytes - at : n_piece;

        assert_int_equal(write(fds[1], bytes.at + at, n), (ssize_t)n);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    if (closes)
        close(fds[1]);
    while (e.n_frames == 0 && e.n_closed == 0)
        uv_run(&loop, UV_RUN_ONCE);
    if (!closes)
        close(fds[1]);
    end_loop(&loop, &e, NULL);
    return e;
}

static void a_frame_may_come_byte_by_byte(void **state)
{
    struct buf raw;
    struct end e;

    (void)state;
    buf_init(&raw, 0);
    buf_put(&raw, "\0\0\0\0", 4);
    put_frame(&raw, 1);
    raw.at[3] = (char)(raw.n_bytes - 4);
    e = read_raw(buf_str(&raw), 1, false);
    assert_int_equal(e.n_frames, 1);
    assert_int_equal(e.n_wrong, 0);
    assert_int_equal(e.n_frame_bytes, raw.n_bytes - 4);
    buf_clear(&raw);
}

static void a_length_over_the_cap_closes_the_channel_once(void **state)
{
    static const struct {
        const char *bytes;
    } lengths[] = { { "\xff\xff\xff\xff" },
                    { "\x80\x00\x00\x00" },
                    { "\x00\x10\x00\x01" } }; // the cap is 0x00100000

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct end e = read_raw((struct str){ lengths[i].bytes, 4 }, 4, false);

        assert_int_equal(e.n_closed, 1);
        assert_int_equal(e.n_frames, 0);
    }
}

static void half_a_frame_is_none_when_the_other_side_goes(void **state)
{
    struct end e =
        read_raw((struct str){ "\0\0\0\x10 half of it", 15 }, 15, true);

    (void)state;
    assert_int_equal(e.n_closed, 1);
    assert_int_equal(e.n_frames, 0);
}

static void what_was_sent_before_the_end_arrives(void **state)
{
    struct end a = { .wanted = 0 };
    struct end b = { .wanted = 0 };
    uv_loop_t loop;
    int fds[2];

    (void)state;
    uv_loop_init(&loop);
    pair(fds);
    open_end(&a, &loop, fds[0]);
    open_end(&b, &loop, fds[1]);
    send_frames(&a, 1, 3);
    uv_run(&loop, UV_RUN_NOWAIT); // they leave
    channel_close(a.channel);
    a.channel = NULL;
    while (b.n_closed == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(b.n_frames, 3);
    assert_int_equal(b.n_wrong, 0);
    end_loop(&loop, &a, &b);
}

static void after_a_refusal_no_frame_is_taken(void **state)
{
    struct end a = { .wanted = 0 };
    struct end b = { .refuse_at = 2 };
    uv_loop_t loop;
    int fds[2];

    (void)state;
    uv_loop_init(&loop);
    pair(fds);
    open_end(&a, &loop, fds[0]);
    open_end(&b, &loop, fds[1]);
    send_frames(&a, 1, 9);
    while (b.n_closed == 0 || a.n_closed == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(b.n_frames, 2);
    assert_int_equal(b.n_closed, 1);
    assert_int_equal(a.n_closed, 1); // its peer is gone
    end_loop(&loop, &a, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_whole_and_in_order),
        cmocka_unit_test(
            a_frame_over_the_cap_is_taken_back_and_the_others_arrive),
        cmocka_unit_test(a_frame_may_come_byte_by_byte),
        cmocka_unit_test(a_length_over_the_cap_closes_the_channel_once),
        cmocka_unit_test(half_a_frame_is_none_when_the_other_side_goes),
        cmocka_unit_test(what_was_sent_before_the_end_arrives),
        cmocka_unit_test(after_a_refusal_no_frame_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
