// SPDX-License-Identifier: MIT
// entrance.c — the listening socket of a relay: who is let in, and who gets 503.

#include "engine/relay/entrance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/codec.h"
#include "common/base/hash_map.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/http/client_address.h"
#include "common/log/log.h"
#include "common/stream/proxy_header.h"
#include "common/stream/refusals.h"
#include "engine/relay/pair.h"

#define BACKLOG        1024
#define ACCEPTS_A_TURN 64 // then other connections get their turn
#define WARN_AGAIN_MS  10000
#define RETRY_AFTER_S  1
// In a drain, a connection on which nothing was said for so long after an answer ends.
#define QUIET_MS      30
#define QUIET_LOOK_MS 10

// What waits for a client that is refused; all others are about the lead.
#define WHY_TOO_MANY "has too many connections"

// A client address, and how many connections it has.
struct source {
    struct hash_node node; // in entrance.sources, by its address
    uint8_t address[CLIENT_ADDRESS_BYTES];
    uint64_t n_guests;
};

// A connection that was let in.
struct guest {
    struct entrance *entrance;
    struct source *source;
};

struct entrance {
    struct entrance_options options;
    uv_loop_t *loop;
    uv_poll_t listener;
    uv_timer_t drain_timer;
    struct refusals *refusals;
    const struct config *config;
    struct hash_map sources;
    struct pair_list pairs;
    uint64_t n_guests;
    struct sockaddr_storage lead;
    bool has_lead, wants_clients;
    bool is_paused;
    bool is_draining;
    uint64_t warn_again_ms;
};

// Whether a warning is due: not more often than every ten seconds.
static bool may_warn(struct entrance *e)
{
    if (uv_now(e->loop) < e->warn_again_ms)
        return false;
    e->warn_again_ms = uv_now(e->loop) + WARN_AGAIN_MS;
    return true;
}

// --- clients by address ---

static struct source *find_source(const struct entrance *e,
                                  const uint8_t *address, uint64_t hash)
{
    struct hash_node *n = hash_map_find(&e->sources, hash);

    while (n != NULL && memcmp(HASH_OBJECT(n, struct source, node)->address,
                               address, CLIENT_ADDRESS_BYTES) != 0)
        n = hash_map_same(n);
    return HASH_OBJECT(n, struct source, node);
}

static struct source *make_source(struct entrance *e, const uint8_t *address)
{
    uint64_t hash = hash_here(
        (struct str){ (const char *)address, CLIENT_ADDRESS_BYTES }, 0);
    struct source *s = find_source(e, address, hash);

    if (s == NULL) {
        s = xcalloc(1, sizeof(*s));
        memcpy(s->address, address, CLIENT_ADDRESS_BYTES);
        hash_map_add(&e->sources, &s->node, hash);
    }
    return s;
}

static void drop_if_unused(struct entrance *e, struct source *s)
{
    if (s->n_guests > 0)
        return;
    hash_map_remove(&e->sources, &s->node);
    free(s);
}

// --- who is refused ---

static void put_answer(void *data, const char *why, struct buf *out)
{
    const struct entrance *e = data;
    bool is_ours = strcmp(why, WHY_TOO_MANY) == 0;

    refusal_put(out, is_ours ? e->options.name : "lead node", str_of(why),
                RETRY_AFTER_S);
}

static void refuse(struct entrance *e, int fd, const char *why)
{
    if (may_warn(e)) {
        log_warn("a client was refused", "reason=%s tls=%s",
                 log_quote(str_of(why)), e->options.speaks_tls ? "yes" : "no");
    }
    refusals_add(e->refusals, fd, e->options.speaks_tls, why);
}

// --- who is let in ---

static void resume(struct entrance *e);

static void leave_if_empty(struct entrance *e)
{
    if (e->is_draining && e->n_guests == 0 && refusals_are_none(e->refusals))
        e->options.on_empty(e->options.data);
}

static void on_left(void *data)
{
    resume(data); // a descriptor is free
    leave_if_empty(data);
}

static void on_ended(void *data)
{
    struct guest *g = data;
    struct entrance *e = g->entrance;

    e->n_guests--;
    g->source->n_guests--;
    drop_if_unused(e, g->source);
    free(g);
    on_left(e);
}

static void on_unreached(void *data, int fd, const char *why)
{
    const struct guest *g = data;

    refuse(g->entrance, fd, why);
}

static void put_greeting(const struct entrance *e, int fd,
                         const struct sockaddr_storage *from, struct buf *out)
{
    struct sockaddr_storage to = { .ss_family = AF_UNSPEC };
    socklen_t n_bytes = sizeof(to);

    if (e->wants_clients &&
        getsockname(fd, (struct sockaddr *)&to, &n_bytes) == 0)
        proxy_header_put(out, from, &to);
}

static void let_in(struct entrance *e, int fd,
                   const struct sockaddr_storage *from, struct source *source)
{
    static const struct pair_events events = { .on_unreached = on_unreached,
                                               .on_ended = on_ended };
    struct guest *g = xmalloc(sizeof(*g));
    struct buf greeting;
    enum err err;

    buf_init(&greeting, 0);
    put_greeting(e, fd, from, &greeting);
    *g = (struct guest){ .entrance = e, .source = source };
    e->n_guests++;
    source->n_guests++;
    err = pair_start(&e->pairs, fd, (const struct sockaddr *)&e->lead,
                     buf_str(&greeting), &events, g);
    buf_clear(&greeting);
    if (err == OK)
        return;
    refuse(e, fd, "cannot be reached");
    on_ended(g);
}

static void receive(struct entrance *e, int fd,
                    const struct sockaddr_storage *from)
{
    const struct config *config = e->config;
    uint8_t address[CLIENT_ADDRESS_BYTES];
    struct source *source;

    client_address_of(from, address);
    source = make_source(e, address);
    if (!e->has_lead) {
        refuse(e, fd, "is not known");
    } else if (e->n_guests >= config->max_connections ||
               (source->n_guests >= config->max_connections_per_address &&
                !client_address_is_proxy(&config->trusted_proxies, address))) {
        refuse(e, fd, WHY_TOO_MANY);
    } else {
        let_in(e, fd, from, source);
        return;
    }
    drop_if_unused(e, source);
}

// --- the listener ---

static void pause_accepting(struct entrance *e, int error)
{
    uv_poll_stop(&e->listener);
    e->is_paused = true;
    if (may_warn(e)) {
        log_warn("new connections cannot be accepted; trying again",
                 "reason=%s", log_quote(str_of(strerror(error))));
    }
}

// Returns false if no connection waits, or none may be accepted.
static bool accept_one(struct entrance *e)
{
    struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
    socklen_t n_bytes = sizeof(from);
    int fd = accept4(e->options.listen_fd, (struct sockaddr *)&from, &n_bytes,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        receive(e, fd, &from);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
        errno == ENOMEM) {
        pause_accepting(e, errno);
        return false;
    }
    return errno !=
           EAGAIN; // else an error of that connection alone: it has gone
}

static void on_connections(uv_poll_t *listener, int status, int events)
{
    struct entrance *e = listener->data;

    (void)status; // accept4() reports errors
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (!accept_one(e))
            return;
    }
}

static void resume(struct entrance *e)
{
    if (!e->is_paused || e->is_draining)
        return;
    e->is_paused = false;
    uv_poll_start(&e->listener, UV_READABLE, on_connections);
}

struct entrance *entrance_new(uv_loop_t *loop, const struct config *config,
                              const struct entrance_options *options)
{
    struct entrance *e = xcalloc(1, sizeof(*e));

    e->options = *options;
    e->loop = loop;
    e->pairs.loop = loop;
    e->config = config;
    e->refusals = refusals_new(
        loop, &(struct refusals_owner){
                  .put_answer = put_answer, .on_left = on_left, .data = e });
    if (listen(options->listen_fd, BACKLOG) != 0 ||
        uv_poll_init(loop, &e->listener, options->listen_fd) != 0)
        log_fatal("the relay cannot listen", "errno=%d", errno);
    e->listener.data = e;
    uv_timer_init(loop, &e->drain_timer);
    e->drain_timer.data = e;
    uv_poll_start(&e->listener, UV_READABLE, on_connections);
    return e;
}

void entrance_set_lead(struct entrance *e, const struct sockaddr_storage *lead,
                       bool wants_clients)
{
    e->wants_clients = wants_clients;
    e->has_lead = lead != NULL;
    if (lead != NULL)
        e->lead = *lead;
}

void entrance_tick(struct entrance *e)
{
    refusals_tick(e->refusals);
    resume(e);
}

static void on_drain_timer(uv_timer_t *timer)
{
    struct entrance *e = timer->data;

    pair_list_end_quiet(&e->pairs, QUIET_MS);
}

void entrance_drain(struct entrance *e)
{
    e->is_draining = true;
    uv_poll_stop(&e->listener);
    uv_timer_start(&e->drain_timer, on_drain_timer, 0, QUIET_LOOK_MS);
    leave_if_empty(e);
}
