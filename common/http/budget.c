// SPDX-License-Identifier: MIT
// budget.c — what is held for clients, and on whose account.
//
// Counted are bodies, input read ahead, and output that the client has not taken.
// While an answer is made in pieces, a piece is reserved for it, so that many
// clients that stop reading at once hold no more than was counted when they were
// admitted.

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/http/private.h"

// --- accounts ---

static struct account *find_account(struct http_server *s, struct str name)
{
    uint64_t hash = hash_here(name, 0);
    struct account *a = NULL;

    for (struct hash_node *n = hash_map_find(&s->accounts, hash); n != NULL;
         n = hash_map_same(n)) {
        a = HASH_OBJECT(n, struct account, node);
        if (str_eq((struct str){ a->name, a->n_name_bytes }, name))
            return a;
    }
    a = xcalloc(1, sizeof(*a) + name.n_bytes);
    if (name.n_bytes > 0)
        memcpy(a->name, name.at, name.n_bytes);
    a->n_name_bytes = name.n_bytes;
    hash_map_add(&s->accounts, &a->node, hash);
    return a;
}

static void leave_account(struct http_server *s, struct account *a)
{
    if (--a->n_requests > 0)
        return;
    hash_map_remove(&s->accounts, &a->node);
    free(a);
}

void budget_leave(struct conn *c)
{
    struct account *a = c->account;

    c->has_reserve = false;
    c->account = NULL;
    if (a == NULL)
        return;
    a->n_held_bytes -= c->n_counted_bytes;
    leave_account(c->server, a);
}

void http_charge(struct http_request *r, struct str account, bool has_reserve)
{
    struct conn *c = conn_of(r);

    budget_leave(c);
    c->has_reserve = has_reserve;
    if (has_reserve)
        return;
    c->account = find_account(c->server, account);
    c->account->n_requests++;
    c->account->n_held_bytes += c->n_counted_bytes;
}

// --- counting ---

static size_t output_bytes(const struct conn *c)
{
    size_t n_bytes = c->output.n_bytes > 0 ? c->output.room_bytes : 0;

    if (c->state == CONN_STREAM)
        n_bytes += stream_unsent_bytes(&c->stream);
    if (c->producer.next != NULL && n_bytes < HTTP_LONG_BYTES)
        n_bytes = HTTP_LONG_BYTES;
    return n_bytes;
}

// Differences may be negative, modulo 2^64.
void budget_count(struct conn *c)
{
    struct http_figures *f = &c->server->figures;
    size_t n_output = output_bytes(c);
    size_t n_bytes = c->body.n_bytes + conn_input_bytes(c) + n_output +
                     stream_held_bytes(&c->stream);

    f->n_buffered_bytes += n_bytes - c->n_counted_bytes;
    f->n_output_bytes += n_output - c->n_counted_output_bytes;
    if (c->is_vital)
        f->n_vital_bytes += n_output - c->n_counted_output_bytes;
    if (c->account != NULL)
        c->account->n_held_bytes += n_bytes - c->n_counted_bytes;
    c->n_counted_bytes = n_bytes;
    c->n_counted_output_bytes = n_output;
}

// --- room ---

// An account with only one request is limited by what one request may take.
static bool account_has_room(const struct conn *c, size_t n_bytes)
{
    const struct account *a = c->account;

    return a == NULL || a->n_held_bytes == c->n_counted_bytes ||
           a->n_held_bytes + n_bytes <= c->server->limits.max_account_bytes;
}

bool budget_has_room(const struct conn *c, size_t n_bytes)
{
    const struct http_server *s = c->server;
    size_t kept_bytes = c->has_reserve ? 0 : s->limits.reserve_bytes;

    return s->figures.n_buffered_bytes + n_bytes + kept_bytes <=
               s->limits.max_buffered_bytes &&
           account_has_room(c, n_bytes);
}

bool http_has_room(const struct http_request *r, size_t n_bytes)
{
    const char *at = (const char *)r - offsetof(struct conn, request);

    return budget_has_room((const struct conn *)(const void *)at, n_bytes);
}
