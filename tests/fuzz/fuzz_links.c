// SPDX-License-Identifier: MIT
// fuzz_links.c — the layer below the frames: a channel gives whole frames however the bytes
// are cut, and ends where the other side breaks the rules; a control message is read
// whole or not at all, and no descriptor is left open.
//
// Input: four bytes that say where to cut, then the bytes of a channel, which are one
// message of the control socket, too.

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/process/channel.h"
#include "common/process/control_socket.h"
#include "tests/fuzz/fuzz.h"

#define IN_MAX_BYTES  200
#define OUT_MAX_BYTES 150 // an echo of more is refused

static uv_loop_t loop;
static bool has_loop;

// --- the channel ---

struct side {
    struct channel *channel;
    struct buf seen; // frames, each with its length
    bool is_refusing, is_closed;
};

static void put_frame(struct buf *out, struct str frame)
{
    buf_putc(out, (char)(frame.n_bytes >> 24));
    buf_putc(out, (char)(frame.n_bytes >> 16));
    buf_putc(out, (char)(frame.n_bytes >> 8));
    buf_putc(out, (char)frame.n_bytes);
    buf_put_str(out, frame);
}

static void on_frame(void *data, struct str frame)
{
    struct side *side = data;
    enum err err;

    CHECK(!side->is_closed && !side->is_refusing);
    CHECK(frame.n_bytes <= IN_MAX_BYTES);
    put_frame(&side->seen, frame);
    if (frame.n_bytes > 0 && frame.at[0] == 'R') {
        side->is_refusing = true;
        channel_refuse(side->channel);
        return;
    }
    buf_put_str(channel_begin(side->channel), frame);
    err = channel_end(side->channel);
    CHECK((err == OK) == (frame.n_bytes <= OUT_MAX_BYTES));
    CHECK(err == OK || err == ERR_TOOBIG);
}

static void on_closed(void *data)
{
    struct side *side = data;

    CHECK(!side->is_closed);
    side->is_closed = true;
}

// The expected result, by reading all bytes at once: which frames arrive, which are
// echoed, and whether the rules are broken.
static bool read_whole(struct str bytes, struct buf *seen, struct buf *echoed)
{
    while (bytes.n_bytes >= 4) {
        struct str rest = bytes;
        uint32_t n_bytes = take_u32(&rest);
        struct str frame = { rest.at, n_bytes };

        if (n_bytes > IN_MAX_BYTES)
            return false;
        if (n_bytes > rest.n_bytes)
            return true; // the rest of it did not come
        put_frame(seen, frame);
        if (n_bytes > 0 && frame.at[0] == 'R')
            return false;
        if (n_bytes <= OUT_MAX_BYTES)
            put_frame(echoed, frame);
        bytes.at = rest.at + n_bytes;
        bytes.n_bytes = rest.n_bytes - n_bytes;
    }
    return true;
}

static bool read_some(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t n;

    while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
        buf_put(out, piece, (size_t)n);
    return n < 0 && errno == EAGAIN;
}

static void say_in_cuts(int fd, struct str bytes, uint32_t cuts,
                        struct buf *answered)
{
    bool is_open = true;

    while (bytes.n_bytes > 0 && is_open) {
        size_t n = 1 + (cuts >> 24) % 40;

        cuts = cuts * 1664525 + 1013904223;
        n = n < bytes.n_bytes ? n : bytes.n_bytes;
        if (send(fd, bytes.at, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
            break;
        bytes.at += n;
        bytes.n_bytes -= n;
        uv_run(&loop, UV_RUN_NOWAIT);
        is_open = read_some(fd, answered);
    }
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    (void)read_some(fd, answered);
}

static void check_channel(struct str bytes, uint32_t cuts)
{
    struct side side = { .is_closed = false };
    struct channel_handlers handlers = { on_frame, on_closed, &side };
    struct buf seen, echoed, answered;
    bool is_fair;
    int fds[2];

    buf_init(&side.seen, 0);
    buf_init(&seen, 0);
    buf_init(&echoed, 0);
    buf_init(&answered, 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    side.channel = channel_open(
        &loop, fds[0], (struct channel_limits){ IN_MAX_BYTES, OUT_MAX_BYTES },
        &handlers);
    say_in_cuts(fds[1], bytes, cuts, &answered);
    is_fair = read_whole(bytes, &seen, &echoed);
    CHECK(str_eq(buf_str(&side.seen), buf_str(&seen)));
    CHECK(side.is_closed == !is_fair);
    // Frames sent before the end may not have arrived.
    CHECK(is_fair ? str_eq(buf_str(&answered), buf_str(&echoed))
                  : str_starts(buf_str(&echoed), buf_str(&answered)));
    close(fds[1]);
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0)
        continue;
    CHECK(side.is_closed);
    buf_clear(&side.seen);
    buf_clear(&seen);
    buf_clear(&echoed);
    buf_clear(&answered);
}

// --- the control socket ---

#define PASSED_MAX 3 // a mask, too

// Sends a packet with descriptors, as an intruder would: with that of the socket
// itself.
static void send_packet(int fd, struct str bytes, size_t n_passed)
{
    // Not written to. NOLINTNEXTLINE(performance-no-int-to-ptr): takes the const away
    struct iovec part = { .iov_base = (void *)(uintptr_t)bytes.at,
                          .iov_len = bytes.n_bytes };
    int passed[PASSED_MAX] = { fd, fd, fd };
    union {
        char bytes[CMSG_SPACE(sizeof(passed))];
        struct cmsghdr header;
    } room;
    struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };

    memset(&room, 0, sizeof(room));
    if (n_passed > 0) {
        packet.msg_control = room.bytes;
        packet.msg_controllen = CMSG_SPACE(n_passed * sizeof(int));
        room.header.cmsg_level = SOL_SOCKET;
        room.header.cmsg_type = SCM_RIGHTS;
        room.header.cmsg_len = CMSG_LEN(n_passed * sizeof(int));
        memcpy(CMSG_DATA(&room.header), passed, n_passed * sizeof(int));
    }
    CHECK(sendmsg(fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) ==
          (ssize_t)bytes.n_bytes);
}

// A descriptor more than before would move it.
static int lowest_free(void)
{
    int fd = dup(STDERR_FILENO);

    CHECK(fd >= 0);
    close(fd);
    return fd;
}

static void check_sent_on(int from, int to, const struct control_message *m,
                          int passed)
{
    struct control_message again;
    int fd;

    CHECK(control_send(from, m, passed) == OK);
    CHECK(control_receive(to, &again, &fd) == OK);
    CHECK(memcmp(m, &again, sizeof(again)) == 0);
    CHECK((fd >= 0) == (passed >= 0));
    if (fd >= 0)
        close(fd);
}

static void check_control(struct str bytes, size_t n_passed)
{
    struct control_message m;
    int fds[2];
    int before, fd;
    enum err err;

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
    before = lowest_free();
    CHECK(control_receive(fds[0], &m, &fd) == ERR_AGAIN && fd == -1);
    if (bytes.n_bytes > 0) {
        send_packet(fds[1], bytes, n_passed);
        err = control_receive(fds[0], &m, &fd);
        CHECK((err == OK) == (bytes.n_bytes == sizeof(m) && n_passed <= 1));
        CHECK((fd >= 0) == (err == OK && n_passed == 1));
        if (err == OK) {
            CHECK(memcmp(&m, bytes.at, sizeof(m)) == 0);
            check_sent_on(fds[1], fds[0], &m, fd);
        }
        if (fd >= 0)
            close(fd);
    }
    CHECK(lowest_free() == before);
    close(fds[0]);
    close(fds[1]);
}

void fuzz_one(struct str input)
{
    uint32_t cuts = take_u32(&input);

    if (!has_loop)
        uv_loop_init(&loop);
    has_loop = true;
    check_channel(input, cuts);
    check_control(input, cuts & PASSED_MAX);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const struct control_message m = {
        .type = CONTROL_LINK, .kind = 1, .index = 2, .link_no = 3
    };

    if (i >= 4)
        return false;
    buf_put(out, i % 2 == 0 ? "\x11\x22\x33\x44" : "\x99\x22\x33\x46", 4);
    if (i < 2) {
        put_frame(out, STR("abc"));
        put_frame(out, STR_EMPTY);
        put_frame(out, STR("a frame that is longer than a cut is, for once"));
        put_frame(out, i == 0 ? STR("Refuse") : STR("\1\2"));
        put_frame(out, STR("more"));
    } else {
        buf_put(out, &m, sizeof(m));
    }
    return true;
}
