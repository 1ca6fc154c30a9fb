// SPDX-License-Identifier: MIT
// turn.c — connections with more work than one turn of the loop allows.
//
// Requests that arrived together, and answers in pieces, must not block the loop:
// what is left of them waits here. Between two turns the loop looks at all its
// sockets.

#include "common/http/private.h"

void turn_leave(struct conn *c)
{
    struct list *turns = &c->server->turns;

    if (!c->waits_for_turn)
        return;
    c->waits_for_turn = false;
    list_remove(turns, &c->turn);
    if (turns->first == NULL)
        uv_idle_stop(&c->server->turner);
}

// Each connection has at most one turn, so that the loop looks at the sockets in
// between.
static void on_turn(uv_idle_t *turner)
{
    struct http_server *s = turner->data;
    const struct list_node *last = s->turns.last;
    struct conn *c;
    uint64_t began_ns = uv_hrtime();
    bool is_last = false;

    while (!is_last && s->turns.first != NULL &&
           uv_hrtime() - began_ns < HTTP_TURN_NS) {
        is_last = s->turns.first == last;
        c = LIST_FIRST(&s->turns, struct conn, turn);
        turn_leave(c);
        s->events.on_turn(c);
    }
}

void turn_wait(struct conn *c)
{
    struct list *turns = &c->server->turns;

    if (c->waits_for_turn || c->is_tcp_closed)
        return;
    if (turns->first == NULL)
        uv_idle_start(&c->server->turner, on_turn);
    c->waits_for_turn = true;
    list_push(turns, &c->turn);
}

void turn_init(struct http_server *s)
{
    uv_idle_init(s->loop, &s->turner);
    s->turner.data = s;
}
