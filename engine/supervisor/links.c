// SPDX-License-Identifier: MIT
// links.c — the sockets between roles.

#include "engine/supervisor/links.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/process/pulse.h"

#define LINK_BUFFER_BYTES (1 << 20)
#define RETRY_MS          1000

// The permitted links between roles; everything else is not connected.
static const struct {
    enum role_kind from, to;
} permitted[] = {
    // hints of new events; the engine's own events, and answers that they are stored;
    // backlogs of organizations
    { ROLE_INGEST, ROLE_DISPATCHER },
    // hints of changed hooks; queries and replies; hooks to switch off; backlogs
    { ROLE_API, ROLE_DISPATCHER },
    // orders, outcomes
    { ROLE_DISPATCHER, ROLE_SENDER },
    // spans
    { ROLE_INGEST, ROLE_EXPORTER },
    { ROLE_DISPATCHER, ROLE_EXPORTER },
    // which node leads
    { ROLE_REPLICATOR, ROLE_RELAY },
};

static bool are_neighbours(const struct child *a, const struct child *b)
{
    for (size_t i = 0; i < sizeof(permitted) / sizeof(permitted[0]); i++) {
        if ((permitted[i].from == a->kind && permitted[i].to == b->kind) ||
            (permitted[i].from == b->kind && permitted[i].to == a->kind))
            return true;
    }
    return false;
}

// Returns 0 or errno. 0 also if the child is dying, since it needs no link.
static int send_link(const struct child *to, const struct child *peer,
                     uint32_t link_no, int fd)
{
    struct control_message m = { .type = CONTROL_LINK,
                                 .kind = peer->kind,
                                 .index = peer->index,
                                 .link_no = link_no };

    if (control_send(to->control_fd, &m, fd) == OK || errno == EPIPE ||
        errno == ECONNRESET || errno == ENOTCONN)
        return 0;
    return errno;
}

static int link_pair(const struct child *a, const struct child *b,
                     uint32_t link_no)
{
    int ends[2];
    int room = LINK_BUFFER_BYTES;
    int error;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends) != 0)
        return errno;
    // Best effort: larger buffers save wake-ups, smaller ones work too.
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    error = send_link(a, b, link_no, ends[0]);
    if (error == 0)
        error = send_link(b, a, link_no, ends[1]);
    close(ends[0]);
    close(ends[1]);
    return error;
}

static size_t number_of(const struct links *l, const struct child *c)
{
    return (size_t)(c - l->children);
}

// Sets the error in a child's pulse: that of its first missing link.
static void note_missing(const struct links *l, size_t i)
{
    int error = 0;

    for (size_t k = 0; k < *l->n_children && error == 0; k++)
        error = l->missing[i][k];
    pulse_set_link_errno(l->children[i].slot, error);
}

static void set_missing(struct links *l, size_t a, size_t b, int error)
{
    l->missing[a][b] = error;
    l->missing[b][a] = error;
    l->retry_at_us[a][b] = clock_mono_us() + RETRY_MS * INT64_C(1000);
    l->retry_at_us[b][a] = l->retry_at_us[a][b];
    note_missing(l, a);
    note_missing(l, b);
}

static void on_retry(void *data);

static void await_retry(struct links *l)
{
    deadline_within(&l->retry, RETRY_MS);
}

static void connect_pair(struct links *l, size_t a, size_t b)
{
    const struct child *one = &l->children[a];
    const struct child *other = &l->children[b];
    uint32_t link_no = l->link_nos[a][b] + 1;
    int error = link_pair(one, other, link_no);

    l->link_nos[a][b] = link_no;
    l->link_nos[b][a] = link_no;
    if (error != 0 && error != l->missing[a][b]) {
        log_warn("two roles cannot be linked; trying again until they are",
                 "role=%s index=%u neighbour=%s neighbour_index=%u reason=%s",
                 role_name(one->kind), one->index, role_name(other->kind),
                 other->index, log_quote(str_of(strerror(error))));
    }
    set_missing(l, a, b, error);
    if (error != 0)
        await_retry(l);
}

static void on_retry(void *data)
{
    struct links *l = data;
    int64_t now_us = clock_mono_us();

    for (size_t a = 0; a < *l->n_children; a++) {
        for (size_t b = 0; b < a; b++) {
            int64_t wait_us = l->retry_at_us[a][b] - now_us;

            if (l->missing[a][b] == 0)
                continue;
            if (wait_us > 0) {
                deadline_within(&l->retry, (uint64_t)(wait_us / 1000) + 1);
            } else {
                connect_pair(l, a, b);
            }
        }
    }
}

void links_init(struct links *l, uv_loop_t *loop, struct child *children,
                const size_t *n_children)
{
    l->children = children;
    l->n_children = n_children;
    deadline_init(&l->retry, loop, on_retry, l);
}

void links_connect(struct links *l, struct child *c)
{
    for (size_t i = 0; i < *l->n_children; i++) {
        struct child *other = &l->children[i];

        if (other != c && other->is_alive && are_neighbours(c, other))
            connect_pair(l, number_of(l, c), i);
    }
}

void links_lost(struct links *l, struct child *c,
                const struct control_message *m)
{
    size_t me = number_of(l, c);

    for (size_t i = 0; i < *l->n_children; i++) {
        struct child *other = &l->children[i];

        if (other->kind != (enum role_kind)m->kind ||
            other->index != m->index || !other->is_alive ||
            !are_neighbours(c, other) || l->link_nos[me][i] != m->link_no)
            continue; // not this link, or there is a newer one
        // ENOTCONN: its neighbour may have died, and it may have noticed first.
        if (m->error != ENOTCONN) {
            log_warn("a role did not receive its link to another role",
                     "role=%s index=%u reason=%s", role_name(c->kind), c->index,
                     log_quote(str_of(strerror(m->error))));
        }
        set_missing(l, me, i, m->error != 0 ? m->error : ENOTCONN);
        await_retry(l);
    }
}

void links_ended(struct links *l, const struct child *c,
                 const struct death *death)
{
    struct control_message m = { .type = CONTROL_ENDED,
                                 .kind = c->kind,
                                 .index = c->index,
                                 .is_own = death->is_own,
                                 .blamed = death->blamed };

    for (size_t i = 0; i < *l->n_children; i++) {
        const struct child *other = &l->children[i];

        set_missing(l, number_of(l, c), i, 0);
        // If this message is lost, the next link tells the neighbour as well.
        if (other->is_alive && are_neighbours(c, other) &&
            control_send(other->control_fd, &m, -1) != OK) {
            log_warn("a message to a role cannot be sent", "role=%s index=%u",
                     role_name(other->kind), other->index);
        }
    }
}
