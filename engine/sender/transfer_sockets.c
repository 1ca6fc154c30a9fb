// SPDX-License-Identifier: MIT
// transfer_sockets.c — libcurl's sockets and timer on libuv's loop.
//
// Reading comes before writing. A receiver may answer and close before it has read the
// body: a reset that came after the answer makes the next send fail, while the answer
// is still in the socket. libcurl reads nothing more once a send has failed. So libcurl
// is always told that it may read, and a send that fails while there is something to
// read counts as done (send() below).
//
// A receiver of HTTP/2 can keep libcurl busy by what belongs to no response. recv() below
// bounds what is read from one connection in a turn of the loop, and in all.
//
// Poll handles stay registered per socket from one transfer to the next, and are
// removed when libcurl closes the socket. Registering them anew for every transfer, as
// libcurl's example does, costs a third of the throughput.
//
// That holds for connections, which libcurl closes through a callback here. libcurl's
// other sockets (a pair that tells it that a name is resolved) it closes itself, right
// after it stops watching them: their handle is removed at once, or the next socket
// with the same number would meet a handle that the kernel has forgotten.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "engine/sender/private.h"

#define TURN_BYTES    ((int64_t)256 * 1024)
#define FRUITLESS_MAX 3

// A socket of libcurl.
struct sock {
    uv_poll_t poll;
    struct lane *lane;
    int fd;
    int wanted;              // UV_READABLE, UV_WRITABLE: what libcurl waits for
    int armed;               // what the poll handle waits for
    int64_t n_brought_bytes; // since the connection was last idle
    int64_t n_turn_bytes;    // of them, in the turn of this number
    uint64_t turn_no;
    uint64_t n_moved; // calls that sent or received something
    unsigned
        n_fruitless; // times in a row that writing was possible and wanted in vain
    bool is_connection;
};

// The transfers of this process, for the functions that libcurl calls without telling for
// whom. NULL: this process makes none.
static struct transfers *of_process;

static struct sock *sock_find(const struct transfers *ts, curl_socket_t fd)
{
    return (size_t)fd < ts->n_socks ? ts->socks[fd] : NULL;
}

static struct sock *connection_of(int fd)
{
    struct sock *s =
        of_process != NULL && fd >= 0 ? sock_find(of_process, fd) : NULL;

    return s != NULL && s->is_connection ? s : NULL;
}

// --- how connections end ---

void turn_begin(struct lane *lane, int fd)
{
    struct transfers *ts = lane->owner;

    ts->turn_no++;
    ts->n_turn_bytes = 0;
    ts->turn_lane = lane;
    ts->turn_fd = fd;
    ts->ending = (struct ending){ 0 };
}

const struct ending *ending_of(const struct transfer *t)
{
    return t->lane->endpoint != NULL ? &t->lane->ending : &t->owner->ending;
}

// Of a connection of the lane, in this turn.
static struct ending *ending_in(struct transfers *ts, struct lane *lane)
{
    return lane->endpoint != NULL ? &lane->ending : &ts->ending;
}

void ending_alert(unsigned alert, bool is_own)
{
    struct ending *ending;

    if (of_process == NULL || of_process->turn_lane == NULL)
        return;
    ending = ending_in(of_process, of_process->turn_lane);
    if (is_own &&
        ending->has_closed) // OpenSSL still says that it misses the goodbye
        return;
    ending->alert = (uint8_t)alert;
    ending->is_own_alert = is_own;
}

// `n`: what sending or receiving returned, and `reason` its error. (In the turn of one
// socket libcurl may read from another, which it closes because it is not needed.)
static void note_end(struct sock *s, ssize_t n, int reason)
{
    int turn_fd = s->lane->owner->turn_fd;

    if (turn_fd != ANY_SOCKET && turn_fd != s->fd)
        return;
    if (n == 0 || (n < 0 && reason != EAGAIN && reason != EINTR))
        ending_in(s->lane->owner, s->lane)->has_closed = true;
}

// Of a connection that exchange.c has. OpenSSL reads it, and has more to say of its end
// afterwards.
static void note_exchange(int fd, ssize_t n, int reason)
{
    if (of_process != NULL && n > 0)
        of_process->n_turn_bytes += (size_t)n;
    if (of_process != NULL && fd == of_process->turn_fd &&
        (n == 0 || (n < 0 && reason != EAGAIN && reason != EINTR)))
        of_process->ending.has_closed = true;
}

// --- sending and receiving ---

// Whether there is something to read. False at the end of the stream, too.
static bool has_unread(int fd)
{
    char byte;

    return recvfrom(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) > 0;
}

// libcurl calls this function: a program's own function takes precedence over that of
// the C library. libcurl learns how the connection ended when it reads to the end.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
ssize_t send(int fd, const void *at, size_t n_bytes, int flags)
{
    ssize_t n_sent = sendto(fd, at, n_bytes, flags, NULL, 0);
    int reason = errno;
    struct sock *s;

    if (n_sent < 0 && (reason == EPIPE || reason == ECONNRESET) &&
        has_unread(fd))
        n_sent = (ssize_t)n_bytes;
    s = connection_of(fd);
    if (s != NULL && n_sent > 0)
        s->n_moved++;
    if (s != NULL && n_sent < 0)
        note_end(s, n_sent, reason);
    errno = reason;
    return n_sent;
}

// Whether an exchange has read its share in this turn. OpenSSL reads on for as long as
// records come that hold nothing for us.
static bool is_turn_over(void)
{
    return of_process != NULL && of_process->n_turn_bytes >= TURN_BYTES;
}

// Whether the connection has had its share of this turn of the loop.
static bool has_had_turn(struct sock *s)
{
    uint64_t turn_no = s->lane->owner->turn_no;

    if (s->turn_no != turn_no) {
        s->turn_no = turn_no;
        s->n_turn_bytes = 0;
    }
    return s->n_turn_bytes >= TURN_BYTES;
}

// Whether the connection brought more than the responses to its requests need.
static bool is_flood(struct sock *s, int64_t n_bytes)
{
    s->n_moved++;
    s->n_turn_bytes += n_bytes;
    s->n_brought_bytes += n_bytes;
    if (s->lane->endpoint == NULL)
        return s->n_brought_bytes > FLOOD_BYTES;
    s->lane->credit_bytes -= n_bytes;
    return s->lane->credit_bytes < 0;
}

// libcurl calls this function, too. It reads from a connection of HTTP/2 until a response
// has come or nothing is left to read, so a receiver that sends frames of no response as
// fast as they are read would keep the loop for itself. What is left is read in the next
// turn.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
ssize_t recv(int fd, void *at, size_t n_bytes, int flags)
{
    struct sock *s = connection_of(fd);
    ssize_t n;

    if (s != NULL ? has_had_turn(s) : is_turn_over()) {
        errno = EAGAIN;
        return -1;
    }
    n = recvfrom(fd, at, n_bytes, flags, NULL, NULL);
    if (s == NULL && (flags & MSG_PEEK) == 0)
        note_exchange(fd, n, errno);
    if (s == NULL || (flags & MSG_PEEK) != 0)
        return n;
    note_end(s, n, errno);
    if (n <= 0 || !is_flood(s, n))
        return n;
    ending_in(s->lane->owner, s->lane)->has_flooded = true;
    log_warn("a receiver sent much that belongs to no response; its "
             "connection was ended",
             "bytes=%lld", (long long)s->n_brought_bytes);
    s->lane->is_retired = s->lane->endpoint != NULL;
    (void)shutdown(fd, SHUT_RDWR);
    errno = ECONNRESET;
    return -1;
}

// --- sockets ---

static void arm(struct sock *s);

// Always tells libcurl to read first; an error will show when it reads or writes.
static int flags_of(int status, int events)
{
    bool may_write = status < 0 || (events & UV_WRITABLE) != 0;

    return CURL_CSELECT_IN | (may_write ? CURL_CSELECT_OUT : 0);
}

// With HTTP/2, libcurl wants to write while the receiver's window is closed, in which it
// can write nothing: it would be called again at once. The window opens with what is
// read; to be safe, libcurl is also asked at each look.
static void note_fruit(struct sock *s, int events, uint64_t n_moved_before)
{
    bool is_fruitless =
        (events & UV_READABLE) == 0 && s->n_moved == n_moved_before;

    s->n_fruitless = is_fruitless ? s->n_fruitless + 1 : 0;
    arm(s);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sock *s = poll->data;
    struct lane *lane = s->lane;
    curl_socket_t fd = s->fd;
    uint64_t n_moved = s->n_moved;
    int n_running;

    if (s->wanted == 0) { // the receiver closed an idle connection
        uv_poll_stop(poll);
        s->armed = 0;
        return;
    }
    if (status < 0)
        s->armed = 0; // libuv has stopped it
    turn_begin(lane, fd);
    curl_multi_socket_action(lane->multi, fd, flags_of(status, events),
                             &n_running);
    if (sock_find(lane->owner, fd) == s)
        note_fruit(s, events, n_moved);
    lane->owner->reap(lane);
}

static void on_sock_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void sock_drop(struct transfers *ts, struct sock *s)
{
    ts->socks[s->fd] = NULL;
    s->lane->n_connections -= s->is_connection;
    uv_close((uv_handle_t *)&s->poll, on_sock_closed);
}

static bool is_connection(int fd)
{
    int domain = 0;
    socklen_t n_bytes = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n_bytes) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

static struct sock *sock_add(struct lane *lane, curl_socket_t fd)
{
    struct transfers *ts = lane->owner;
    struct sock *s = xcalloc(1, sizeof(*s));

    if ((size_t)fd >= ts->n_socks) {
        size_t n = (size_t)fd * 2 + 64;

        ts->socks = xrealloc(ts->socks, n * sizeof(struct sock *));
        memset(ts->socks + ts->n_socks, 0,
               (n - ts->n_socks) * sizeof(struct sock *));
        ts->n_socks = n;
    }
    s->lane = lane;
    s->fd = fd;
    s->is_connection = is_connection(fd);
    lane->n_connections += s->is_connection;
    if (uv_poll_init_socket(ts->loop, &s->poll, fd) != 0)
        log_panic("a socket cannot be added to the event loop", "fd=%d", fd);
    s->poll.data = s;
    ts->socks[fd] = s;
    return s;
}

static void arm(struct sock *s)
{
    // UV_READABLE stays armed between transfers: the next one will wait for it.
    int events = s->wanted == 0 ? s->armed & UV_READABLE : s->wanted;

    if (s->n_fruitless >= FRUITLESS_MAX)
        events = (events & ~UV_WRITABLE) | UV_READABLE;
    if (events == s->armed)
        return;
    s->armed = events;
    if (events == 0) {
        uv_poll_stop(&s->poll);
    } else {
        uv_poll_start(&s->poll, events, on_poll);
    }
}

// CURLMOPT_SOCKETFUNCTION
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
                     void *socket_data)
{
    struct lane *lane = data;
    struct sock *s = sock_find(lane->owner, fd);

    (void)easy;
    (void)socket_data;
    if (s == NULL) {
        if (what == CURL_POLL_REMOVE)
            return 0;
        s = sock_add(lane, fd);
    }
    if (what == CURL_POLL_REMOVE && !s->is_connection) {
        sock_drop(lane->owner, s);
        return 0;
    }
    if (s->wanted == 0) {
        s->n_brought_bytes = 0;
        s->n_fruitless = 0;
    }
    s->wanted = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        s->wanted |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        s->wanted |= UV_WRITABLE;
    arm(s);
    return 0;
}

// libcurl closes a socket that cannot even begin to connect without a callback: what is
// known of an earlier socket with this number is no longer true.
void transfer_new_socket(struct transfers *ts, curl_socket_t fd)
{
    struct sock *s = sock_find(ts, fd);

    if (s != NULL)
        sock_drop(ts, s);
}

// CURLOPT_CLOSESOCKETFUNCTION
int transfer_close_socket(void *data, curl_socket_t fd)
{
    struct transfers *ts = data;
    struct sock *s = sock_find(ts, fd);

    if (s != NULL)
        sock_drop(ts, s);
    return close(fd);
}

void sockets_look(struct transfers *ts)
{
    for (size_t fd = 0; fd < ts->n_socks; fd++) {
        struct sock *s = ts->socks[fd];

        if (s != NULL && s->n_fruitless >= FRUITLESS_MAX) {
            s->n_fruitless = FRUITLESS_MAX - 1;
            arm(s);
        }
    }
}

// Ends the connection of a transfer that libcurl would keep: all requests of a stream
// of HTTP/2 that failed may share its fault.
void transfer_cut(struct transfer *t)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    struct sock *s;

    if (curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
        fd == CURL_SOCKET_BAD)
        return;
    s = sock_find(t->owner, fd);
    if (s != NULL && s->is_connection)
        (void)shutdown(fd, SHUT_RDWR);
}

// --- the timer ---

static void on_timer(uv_timer_t *timer)
{
    struct lane *lane = timer->data;
    int n_running;

    turn_begin(lane, ANY_SOCKET);
    curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
    lane->owner->reap(lane);
}

// CURLMOPT_TIMERFUNCTION
static int on_curl_timer(CURLM *multi, long wait_ms, void *data)
{
    struct lane *lane = data;

    (void)multi;
    if (wait_ms < 0) {
        uv_timer_stop(&lane->timer);
    } else {
        uv_timer_start(&lane->timer, on_timer, (uint64_t)wait_ms, 0);
    }
    return 0;
}

void lane_watch(struct lane *lane)
{
    of_process = lane->owner;
    uv_timer_init(lane->owner->loop, &lane->timer);
    lane->timer.data = lane;
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
}

static void on_lane_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void lane_unwatch(struct lane *lane)
{
    curl_multi_cleanup(lane->multi); // closes the connections
    if (lane->owner->turn_lane == lane)
        lane->owner->turn_lane = NULL;
    uv_close((uv_handle_t *)&lane->timer, on_lane_closed);
}
