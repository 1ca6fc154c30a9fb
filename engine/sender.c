// sender.c — the sender process: an order in, one HTTP attempt, an outcome out.
//
// It knows nothing of hooks, queues or secrets. If a dispatcher goes away, its
// attempts run to their end and their outcomes are dropped: the dispatcher
// that comes back sends those deliveries again.

#include <unistd.h>
#include <uv.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/role.h"
#include "engine/order.h"
#include "engine/roles.h"
#include "engine/transfer.h"
#include "queue/queue.h"

// An order's number comes back with the outcome; which dispatcher it goes to,
// and whether that one is still the same process, is kept in front of it.
struct route {
    uint64_t order_no;
    unsigned dispatcher;
    unsigned generation;
};

struct sender;

struct peer {
    struct sender *sender;
    unsigned index;
    unsigned generation; // counts its links
    struct chan *chan;   // NULL: gone
};

struct sender {
    struct role *role;
    struct transfers *transfers;
    struct peer peers[QUEUE_SHARDS_MAX];
    struct route *routes; // by number; grows with what is in flight
    size_t n_routes;
    size_t *free_routes;
    size_t n_free_routes;
    bool is_draining;
};

static size_t route_take(struct sender *s)
{
    if (s->n_free_routes == 0) {
        size_t n = s->n_routes > 0 ? s->n_routes * 2 : 256;

        s->routes = xrealloc(s->routes, n * sizeof(*s->routes));
        s->free_routes = xrealloc(s->free_routes, n * sizeof(*s->free_routes));
        for (size_t i = n; i > s->n_routes; i--)
            s->free_routes[s->n_free_routes++] = i - 1;
        s->n_routes = n;
    }
    return s->free_routes[--s->n_free_routes];
}

static void leave_if_drained(struct sender *s)
{
    metrics_gauge(GAUGE_ATTEMPTS_IN_FLIGHT,
                  (int64_t)transfers_n_inflight(s->transfers));
    if (s->is_draining && transfers_n_inflight(s->transfers) == 0)
        role_done(s->role);
}

static void on_done(void *data, const struct outcome *outcome)
{
    struct sender *s = data;
    struct route route = s->routes[outcome->no];
    struct peer *p = &s->peers[route.dispatcher];
    struct outcome back = *outcome;

    s->free_routes[s->n_free_routes++] = outcome->no;
    metrics_observe_us(HISTOGRAM_ATTEMPT_SECONDS, outcome->timing.total_us);
    back.no = route.order_no;
    if (p->chan != NULL && p->generation == route.generation) {
        outcome_pack(chan_begin(p->chan), &back);
        chan_end_small(p->chan); // what it holds is capped (order.h)
    }
    leave_if_drained(s);
}

static void on_frame(void *data, struct str frame)
{
    struct peer *p = data;
    struct sender *s = p->sender;
    struct order order;
    size_t route;

    if (order_unpack(frame, &order) != OK) {
        log_warn("order not understood", "dispatcher=%u bytes=%zu", p->index,
                 frame.n_bytes);
        return;
    }
    route = route_take(s);
    s->routes[route] = (struct route){ .order_no = order.no,
                                       .dispatcher = p->index,
                                       .generation = p->generation };
    order.no = route;
    transfers_start(s->transfers, &order);
    metrics_gauge(GAUGE_ATTEMPTS_IN_FLIGHT,
                  (int64_t)transfers_n_inflight(s->transfers));
}

static void on_peer_closed(void *data)
{
    struct peer *p = data;

    p->chan = NULL;
}

static void on_link(void *data, enum role_kind kind, unsigned index, int fd)
{
    struct sender *s = data;
    struct peer *p;

    if (kind != ROLE_DISPATCHER || index >= QUEUE_SHARDS_MAX) {
        close(fd);
        return;
    }
    p = &s->peers[index];
    if (p->chan != NULL)
        chan_close(p->chan);
    p->sender = s;
    p->index = index;
    p->generation++;
    p->chan = role_open_chan(
        s->role, ROLE_DISPATCHER, fd,
        &(struct chan_handlers){
            .on_frame = on_frame, .on_closed = on_peer_closed, .data = p });
}

static void on_drain(void *data)
{
    struct sender *s = data;

    s->is_draining = true;
    leave_if_drained(s);
}

static void on_reload(void *data)
{
    struct sender *s = data;

    transfers_reload(s->transfers, role_config(s->role));
}

int sender_role(unsigned index)
{
    struct sender *s = xcalloc(1, sizeof(*s));
    struct role_handlers handlers = { .on_link = on_link,
                                      .on_drain = on_drain,
                                      .on_reload = on_reload,
                                      .data = s };

    s->role = role_start(ROLE_SENDER, index);
    s->transfers =
        transfers_new(role_loop(s->role), role_config(s->role), on_done, s);
    role_ready(s->role, &handlers);
    return role_run(s->role);
}
