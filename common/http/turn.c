// SPDX-License-Identifier: MIT
// turn.c — connections with more work than one turn of the loop allows.
//
// Requests that arrived together, and answers in pieces, must not block the loop:
// what is left of them waits here. Between two turns the loop looks at all its
// sockets.

#include "common/http/private.h"

void turn_leave(struct conn *c)
{
    struct turn_list *list = &c->server->turns;

    if (!c->waits_for_turn)
        return;
    c->waits_for_turn = false;
    if (c->prev_turn != NULL) {
        c->prev_turn->next_turn = c->next_turn;
    } else {
        list->first = c->next_turn;
    }
    if (c->next_turn != NULL) {
        c->next_turn->prev_turn = c->prev_turn;
    } else {
        list->last = c->prev_turn;
    }
    if (list->first == NULL)
        uv_idle_stop(&c->server->turner);
}

// Each connection has at most one turn, so that the loop looks at the sockets in
// between.
static void on_turn(uv_idle_t *turner)
{
    struct http_server *s = turner->data;
    const struct conn *last = s->turns.last;
    struct conn *c;
    uint64_t began_ns = uv_hrtime();
    bool is_last = false;

    while (!is_last && s->turns.first != NULL &&
           uv_hrtime() - began_ns < HTTP_TURN_NS) {
        is_last = s->turns.first == last;
        c = s->turns.first;
        turn_leave(c);
        s->events.on_turn(c);
    }
}

void turn_wait(struct conn *c)
{
    struct turn_list *list = &c->server->turns;

    if (c->waits_for_turn || c->is_tcp_closed)
        return;
    if (list->first == NULL)
        uv_idle_start(&c->server->turner, on_turn);
    c->waits_for_turn = true;
    c->next_turn = NULL;
    c->prev_turn = list->last;
    if (list->last != NULL) {
        list->last->next_turn = c;
    } else {
        list->first = c;
    }
    list->last = c;
}

void turn_init(struct http_server *s)
{
    uv_idle_init(s->loop, &s->turner);
    s->turner.data = s;
}
