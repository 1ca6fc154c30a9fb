// SPDX-License-Identifier: MIT
// alone.c — requests that the process has died with.
//
// What the process works on is noted (blame.h) as a hash: the bytes that are
// parsed, the header, the whole request. A request with two deaths waits until no
// other is in work, and all later requests wait until it is answered. One with
// three deaths is refused.

#include "common/base/codec.h"
#include "common/http/private.h"

#define HOLD_MAX_MS 4000

bool alone_refuses(const struct blamed *record)
{
    return blame_deaths(BLAME_REQUEST, record->a, record->b) >= BLAME_ASIDE;
}

static void take_hash(struct http_request *r, struct str target)
{
    r->hash[0] = blame_hash(target, blame_hash(r->method_name, 0));
    r->hash[1] = r->body.n_bytes;
    r->hash[0] = blame_hash(r->body, r->hash[0]);
}

static uint32_t deaths_with(const struct conn *c)
{
    return blame_deaths(BLAME_REQUEST, c->request.hash[0], c->request.hash[1]);
}

static bool is_in_work(const struct conn *c)
{
    return c->state == CONN_WORK && !c->is_answered;
}

// Counts also requests whose clients have gone away.
static bool is_any_in_work(const struct http_server *s)
{
    static const enum conn_list lists[] = { CONN_LIST_BUSY, CONN_LIST_GONE };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const struct conn *c = conn_list_first(s, lists[i]); c != NULL;
             c = conn_list_next(c)) {
            if (is_in_work(c))
                return true;
        }
    }
    return false;
}

static void hold(struct conn *c)
{
    conn_enter(c, CONN_HELD);
    list_push(&c->server->held, &c->held);
}

static enum alone work(struct conn *c)
{
    struct http_server *s = c->server;
    struct http_request *r = &c->request;
    struct blamed before;

    if (alone_refuses(
            &(struct blamed){ BLAME_REQUEST, r->hash[0], r->hash[1] }))
        return ALONE_REFUSED;
    if (deaths_with(c) >= BLAME_ALONE)
        s->alone = c;
    conn_enter(c, CONN_WORK);
    before = blame_begin(BLAME_REQUEST, r->hash[0], r->hash[1]);
    s->handlers.on_request(s->handlers.data, r);
    blame_end(before);
    return ALONE_HANDED;
}

enum alone alone_hand(struct conn *c)
{
    const struct http_server *s = c->server;

    take_hash(&c->request, (struct str){ c->text.at, c->n_target });
    if (s->alone == NULL && s->held.first == NULL &&
        (deaths_with(c) < BLAME_ALONE || !is_any_in_work(s)))
        return work(c);
    hold(c);
    return ALONE_HELD;
}

enum alone alone_try_again(struct conn *c)
{
    const struct http_server *s = c->server;
    bool must_wait = s->alone != NULL ||
                     (deaths_with(c) >= BLAME_ALONE && is_any_in_work(s));

    if (must_wait && uv_now(s->loop) - c->since_ms < HOLD_MAX_MS)
        return ALONE_HELD;
    list_remove(&c->server->held, &c->held);
    return must_wait ? ALONE_TOO_LATE : work(c);
}

void alone_answered(struct conn *c)
{
    struct http_server *s = c->server;

    if (s->alone == c)
        s->alone = NULL;
    if (c->state == CONN_WORK && c->producer.next == NULL)
        alone_produced(c);
}

void alone_produced(struct conn *c)
{
    if (blame_is_any())
        blame_forget(BLAME_REQUEST, c->request.hash[0], c->request.hash[1]);
}
