// SPDX-License-Identifier: MIT
// lmdb_requests.c — requests between the processes of one machine.

#include "queue/journal/lmdb_requests.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "queue/journal/lmdb_space.h"

#define BACKLOG     128
#define PATIENCE_MS 2000 // with a peer that stops in the middle
#define PAUSE_US    1000
#define NAME_MAX_BYTES \
    (JOURNAL_NAME_BYTES + 1 + 16 + 1) // ADDRESS, '@', digits, NUL
#define HEAD_BYTES   4
#define ANSWER_BYTES (1 + HEAD_BYTES)

struct lmdb_server {
    int dir_fd; // of the space
    char address[JOURNAL_NAME_BYTES + 1];
    char name[NAME_MAX_BYTES]; // of the socket
    journal_serve_fn fn;
    void *data;
    int listen_fd;
    int stop_fd; // readable: end
    pthread_t thread;
    struct lmdb_server *next;
};

// --- bytes ---

static int left_ms(int64_t until_us)
{
    int64_t left_us = until_us - clock_mono_us();

    if (left_us <= 0)
        return 0;
    return left_us / 1000 >= INT32_MAX ? INT32_MAX : (int)(left_us / 1000) + 1;
}

// Waits until `events` can be done. False: the time is over.
static bool wait_for(int fd, short events, int64_t until_us)
{
    struct pollfd p = { .fd = fd, .events = events };
    int n;

    do {
        n = poll(&p, 1, left_ms(until_us));
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

static bool send_all(int fd, struct str bytes, int64_t until_us)
{
    while (bytes.n_bytes > 0) {
        ssize_t n = send(fd, bytes.at, bytes.n_bytes, MSG_NOSIGNAL);

        if (n > 0) {
            bytes.at += n;
            bytes.n_bytes -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            if (!wait_for(fd, POLLOUT, until_us))
                return false;
        } else if (n == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

static bool read_all(int fd, char *to, size_t n_bytes, int64_t until_us)
{
    while (n_bytes > 0) {
        ssize_t n = recv(fd, to, n_bytes, 0);

        if (n > 0) {
            to += n;
            n_bytes -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            if (!wait_for(fd, POLLIN, until_us))
                return false;
        } else if (n == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void put_length(uint8_t to[HEAD_BYTES], size_t n_bytes)
{
    for (size_t i = 0; i < HEAD_BYTES; i++)
        to[i] = (uint8_t)(n_bytes >> (8 * (HEAD_BYTES - 1 - i)));
}

static size_t get_length(const uint8_t from[HEAD_BYTES])
{
    size_t n_bytes = 0;

    for (size_t i = 0; i < HEAD_BYTES; i++)
        n_bytes = n_bytes << 8 | from[i];
    return n_bytes;
}

// A path may be longer than an address may be: the directory's descriptor is short.
static bool make_address(int dir_fd, const char *name, struct sockaddr_un *to)
{
    int n;

    *to = (struct sockaddr_un){ .sun_family = AF_UNIX };
    n = snprintf(to->sun_path, sizeof(to->sun_path), "/proc/self/fd/%d/%s",
                 dir_fd, name);
    return n > 0 && (size_t)n < sizeof(to->sun_path);
}

// --- serving ---

// Reads length and body. False: too late, or longer than the buffer's cap.
static bool read_body(int fd, struct buf *body, int64_t until_us)
{
    uint8_t head[HEAD_BYTES];
    size_t n_bytes;
    char *to;

    if (!read_all(fd, (char *)head, sizeof(head), until_us))
        return false;
    n_bytes = get_length(head);
    if (n_bytes == 0)
        return true;
    to = buf_reserve(body, n_bytes);
    if (to == NULL || !read_all(fd, to, n_bytes, until_us))
        return false;
    buf_added(body, n_bytes);
    return true;
}

static bool is_waiting(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLRDHUP };

    return poll(&p, 1, 0) == 0;
}

static void send_answer(int fd, enum err err, struct str answer)
{
    int64_t until_us = clock_mono_us() + (int64_t)PATIENCE_MS * 1000;
    uint8_t head[ANSWER_BYTES] = { err == OK };

    put_length(head + 1, answer.n_bytes);
    if (send_all(fd, (struct str){ (const char *)head, sizeof(head) },
                 until_us))
        (void)send_all(fd, answer, until_us);
}

static void serve_one(struct lmdb_server *s, int fd)
{
    int64_t until_us = clock_mono_us() + (int64_t)PATIENCE_MS * 1000;
    struct buf body;
    struct buf answer;
    enum err err;

    buf_init(&body, JOURNAL_REQUEST_BYTES);
    buf_init(&answer, JOURNAL_REQUEST_BYTES);
    // Who does not wait any more got no answer: it may as well not be worked on.
    if (read_body(fd, &body, until_us) && is_waiting(fd)) {
        err = s->fn(s->data, buf_str(&body), &answer);
        if (answer.overflow)
            err = ERR_TOOBIG;
        send_answer(fd, err, err == OK ? buf_str(&answer) : STR_EMPTY);
    }
    buf_clear(&body);
    buf_clear(&answer);
}

static void *run_server(void *data)
{
    struct lmdb_server *s = data;
    struct pollfd p[2] = { { .fd = s->listen_fd, .events = POLLIN },
                           { .fd = s->stop_fd, .events = POLLIN } };

    for (;;) {
        int fd;

        if (poll(p, 2, -1) < 0 && errno != EINTR)
            abort(); // of two good descriptors
        if ((p[1].revents & POLLIN) != 0)
            return NULL;
        if ((p[0].revents & POLLIN) == 0)
            continue;
        fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            serve_one(s, fd);
            close(fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            usleep(PAUSE_US);
        }
    }
}

// Listens under a name that nobody looks for, and then takes its own, so that nobody finds
// it before it listens.
static enum err begin_listening(struct lmdb_server *s)
{
    uint8_t random[8];
    char digits[17];
    char name[NAME_MAX_BYTES];
    struct sockaddr_un to;

    crypto_random(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(digits + 2 * i, 3, "%02x", random[i]);
    snprintf(s->name, sizeof(s->name), "%s@%s", s->address, digits);
    snprintf(name, sizeof(name), "+%s", digits);
    if (!make_address(s->dir_fd, name, &to))
        return ERR_IO;
    s->listen_fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0 ||
        bind(s->listen_fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        return errno == ENOSPC ? ERR_FULL : ERR_IO;
    if (fchmodat(s->dir_fd, name, 0600, 0) != 0 ||
        listen(s->listen_fd, BACKLOG) != 0 ||
        renameat(s->dir_fd, name, s->dir_fd, s->name) != 0) {
        unlinkat(s->dir_fd, name, 0);
        return ERR_IO;
    }
    return OK;
}

// Signals are the business of the other threads.
static enum err begin_thread(struct lmdb_server *s)
{
    sigset_t all;
    sigset_t old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&s->thread, NULL, run_server, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0 ? OK : ERR_AGAIN;
}

static void free_server(struct lmdb_server *s)
{
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    free(s);
}

static enum err start(struct lmdb_server *s)
{
    enum err err;

    s->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (s->stop_fd < 0)
        return ERR_IO;
    err = begin_listening(s);
    if (err != OK)
        return err;
    err = begin_thread(s);
    if (err != OK)
        unlinkat(s->dir_fd, s->name, 0);
    return err;
}

enum err lmdb_serve(struct journal *j, struct str address, journal_serve_fn fn,
                    void *data)
{
    struct lmdb_handle *h = lmdb_handle_of(j);
    struct lmdb_server *s;
    enum err err = OK;

    if (!journal_name_is_valid(address))
        return ERR_INVALID;
    pthread_mutex_lock(&h->lock);
    for (s = h->servers; s != NULL && err == OK; s = s->next) {
        if (str_is(address, s->address))
            err = ERR_EXISTS;
    }
    if (err == OK) {
        s = xcalloc(1, sizeof(*s));
        s->dir_fd = h->space->dir_fd;
        memcpy(s->address, address.at, address.n_bytes);
        s->fn = fn;
        s->data = data;
        s->listen_fd = -1;
        err = start(s);
        if (err == OK) {
            s->next = h->servers;
            h->servers = s;
        } else {
            free_server(s);
        }
    }
    pthread_mutex_unlock(&h->lock);
    return err;
}

void lmdb_stop_serving(struct journal *j)
{
    struct lmdb_handle *h = lmdb_handle_of(j);

    while (h->servers != NULL) {
        struct lmdb_server *s = h->servers;

        h->servers = s->next;
        unlinkat(s->dir_fd, s->name, 0);
        if (eventfd_write(s->stop_fd, 1) != 0)
            abort(); // of a counter that is zero
        pthread_join(s->thread, NULL);
        free_server(s);
    }
}

// --- asking ---

// A connection to the socket of this name. ERR_NOTFOUND: nobody listens. ERR_AGAIN.
static enum err connect_to(int dir_fd, const char *name, int64_t until_us,
                           int *out)
{
    struct sockaddr_un to;
    int fd;

    if (!make_address(dir_fd, name, &to))
        return ERR_NOTFOUND;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ERR_AGAIN;
    while (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        int why = errno;

        if (why == EINTR)
            continue;
        if (why == EAGAIN && left_ms(until_us) > 0) { // too many at once
            usleep(PAUSE_US);
            continue;
        }
        close(fd);
        if (why == ECONNREFUSED)
            unlinkat(dir_fd, name, 0); // of one that died
        return why == ECONNREFUSED || why == ENOENT ? ERR_NOTFOUND : ERR_AGAIN;
    }
    *out = fd;
    return OK;
}

// A connection to one of those that serve the address.
static enum err find_server(int dir_fd, struct str address, int64_t until_us,
                            int *out)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    enum err err = ERR_NOTFOUND;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return ERR_AGAIN;
    }
    for (struct dirent *d; err == ERR_NOTFOUND && (d = readdir(dir)) != NULL;) {
        const char *at = strchr(d->d_name, '@');

        if (at != NULL &&
            str_eq((struct str){ d->d_name, (size_t)(at - d->d_name) },
                   address))
            err = connect_to(dir_fd, d->d_name, until_us, out);
    }
    closedir(dir);
    return err;
}

static bool ask(int fd, struct str body, int64_t until_us, struct buf *answer)
{
    uint8_t head[HEAD_BYTES];
    char is_ok = 0;

    put_length(head, body.n_bytes);
    return send_all(fd, (struct str){ (const char *)head, sizeof(head) },
                    until_us) &&
           send_all(fd, body, until_us) && read_all(fd, &is_ok, 1, until_us) &&
           is_ok == 1 && read_body(fd, answer, until_us);
}

enum err lmdb_request(struct journal *j, struct str address, struct str body,
                      int64_t wait_ms, struct buf *answer)
{
    int64_t until_us = clock_mono_us() + wait_ms * 1000;
    struct buf got;
    int fd = -1;
    enum err err;

    if (!journal_name_is_valid(address))
        return ERR_INVALID;
    if (body.n_bytes > JOURNAL_REQUEST_BYTES)
        return ERR_TOOBIG;
    err = find_server(lmdb_handle_of(j)->space->dir_fd, address, until_us, &fd);
    if (err != OK)
        return err;
    buf_init(&got, JOURNAL_REQUEST_BYTES);
    if (!ask(fd, body, until_us, &got))
        err = ERR_AGAIN;
    close(fd);
    if (err == OK)
        buf_put_str(answer, buf_str(&got));
    buf_clear(&got);
    return err;
}
