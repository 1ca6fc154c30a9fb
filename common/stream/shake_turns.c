// SPDX-License-Identifier: MIT
// shake_turns.c — whose TLS handshake goes on next.

#include "common/stream/shake_turns.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"

#define EVICT_AFTER_US \
    1000000 // under way for so long, it may end for a new one

struct shake_peer {
    struct hash_node node;
    struct list_node turn; // in ring or stalled
    struct list going;     // begun, with something to do
    struct list fresh;     // not begun, with something to do
    struct list under_way; // all that have begun, the oldest first
    uint8_t address[SHAKE_ADDRESS_BYTES];
    unsigned n_under_way;
    unsigned n_users;
    bool is_in_ring, is_stalled;
    bool is_of_many;
};

// --- peers ---

// Whoever has an IPv6 network chooses among its addresses.
static void mask(uint8_t address[SHAKE_ADDRESS_BYTES])
{
    static const uint8_t v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    if (memcmp(address, v4, sizeof(v4)) != 0)
        memset(address + 8, 0, 8);
}

static struct shake_peer *find_peer(struct shake_turns *t,
                                    const uint8_t address[SHAKE_ADDRESS_BYTES])
{
    struct str key = { (const char *)address, SHAKE_ADDRESS_BYTES };
    uint64_t hash = hash_here(key, 0);
    struct shake_peer *p;

    for (struct hash_node *n = hash_map_find(&t->peers, hash); n != NULL;
         n = hash_map_same(n)) {
        p = HASH_OBJECT(n, struct shake_peer, node);
        if (memcmp(p->address, address, SHAKE_ADDRESS_BYTES) == 0)
            return p;
    }
    p = xcalloc(1, sizeof(*p));
    memcpy(p->address, address, SHAKE_ADDRESS_BYTES);
    hash_map_add(&t->peers, &p->node, hash);
    return p;
}

static bool has_work(const struct shake_peer *p)
{
    return p->going.first != NULL || p->fresh.first != NULL;
}

static void leave_lists(struct shake_turns *t, struct shake_peer *p)
{
    if (p->is_in_ring)
        list_remove(&t->ring, &p->turn);
    if (p->is_stalled)
        list_remove(&t->stalled, &p->turn);
    p->is_in_ring = false;
    p->is_stalled = false;
}

static void enter_ring(struct shake_turns *t, struct shake_peer *p)
{
    if (p->is_in_ring)
        return;
    leave_lists(t, p);
    p->is_in_ring = true;
    list_push(&t->ring, &p->turn);
}

static void stall(struct shake_turns *t, struct shake_peer *p)
{
    leave_lists(t, p);
    p->is_stalled = true;
    list_push(&t->stalled, &p->turn);
}

static void release_peer(struct shake_turns *t, struct shake_peer *p)
{
    if (--p->n_users > 0)
        return;
    leave_lists(t, p);
    hash_map_remove(&t->peers, &p->node);
    free(p);
}

// --- those who shake hands ---

void shakes_join(struct shake_turns *t, struct shaker *shaker,
                 const uint8_t address[SHAKE_ADDRESS_BYTES], bool is_of_many)
{
    uint8_t masked[SHAKE_ADDRESS_BYTES];

    memcpy(masked, address, sizeof(masked));
    if (!is_of_many)
        mask(masked);
    *shaker = (struct shaker){ .peer = find_peer(t, masked) };
    shaker->peer->n_users++;
    shaker->peer->is_of_many = is_of_many;
}

void shakes_ready(struct shake_turns *t, struct shaker *shaker)
{
    struct shake_peer *p = shaker->peer;

    if (shaker->is_ready)
        return;
    shaker->is_ready = true;
    list_push(shaker->is_begun ? &p->going : &p->fresh, &shaker->ready);
    // A stalled peer may go on with what it has begun.
    if (shaker->is_begun || !p->is_stalled)
        enter_ring(t, p);
}

static void take_off(struct shaker *shaker)
{
    struct shake_peer *p = shaker->peer;

    if (shaker->is_ready)
        list_remove(shaker->is_begun ? &p->going : &p->fresh, &shaker->ready);
    shaker->is_ready = false;
}

void shakes_leave(struct shake_turns *t, struct shaker *shaker)
{
    struct shake_peer *p = shaker->peer;

    if (p == NULL)
        return;
    take_off(shaker);
    if (shaker->is_begun) {
        list_remove(&p->under_way, &shaker->under_way);
        p->n_under_way--;
        if (p->is_stalled)
            enter_ring(t, p);
    }
    *shaker = (struct shaker){ .peer = NULL };
    release_peer(t, p);
}

// --- turns ---

static bool has_place(struct shake_turns *t, struct shake_peer *p,
                      int64_t now_us)
{
    struct shaker *oldest = LIST_FIRST(&p->under_way, struct shaker, under_way);

    if (p->n_under_way < SHAKES_AT_ONCE)
        return true;
    if (now_us - oldest->begun_us < EVICT_AFTER_US)
        return false;
    shakes_leave(t, oldest);
    t->on_evicted(t->data, oldest);
    return true;
}

static bool may_begin(struct shake_turns *t, struct shake_peer *p,
                      int64_t now_us)
{
    struct str key = { (const char *)p->address, SHAKE_ADDRESS_BYTES };

    return p->is_of_many ||
           (has_place(t, p, now_us) && limiter_take(&t->rates, key, now_us));
}

// The next connection of a peer. NULL: it must not begin another one now.
static struct shaker *next_of(struct shake_turns *t, struct shake_peer *p,
                              int64_t now_us)
{
    struct shaker *next = LIST_FIRST(&p->going, struct shaker, ready);

    if (next == NULL && p->fresh.first != NULL && may_begin(t, p, now_us))
        next = LIST_FIRST(&p->fresh, struct shaker, ready);
    if (next == NULL)
        return NULL;
    take_off(next);
    if (!next->is_begun) {
        next->is_begun = true;
        next->begun_us = now_us;
        list_push(&p->under_way, &next->under_way);
        p->n_under_way++;
    }
    return next;
}

bool shakes_run(struct shake_turns *t, int64_t now_us)
{
    struct shake_peer *p = LIST_FIRST(&t->ring, struct shake_peer, turn);
    struct shaker *next;

    if (p == NULL)
        return false;
    p->n_users++; // it stays while this function uses it
    leave_lists(t, p);
    next = next_of(t, p, now_us);
    if (next != NULL)
        t->on_turn(t->data, next);
    if (has_work(p) && !p->is_in_ring) {
        if (next != NULL) {
            enter_ring(t, p);
        } else {
            stall(t, p);
        }
    }
    release_peer(t, p);
    return t->ring.first != NULL;
}

void shakes_tick(struct shake_turns *t)
{
    while (t->stalled.first != NULL)
        enter_ring(t, LIST_FIRST(&t->stalled, struct shake_peer, turn));
}

void shakes_init(struct shake_turns *t, unsigned max_per_second)
{
    *t = (struct shake_turns){ .data = NULL };
    limiter_init(&t->rates, max_per_second, max_per_second);
}

void shakes_clear(struct shake_turns *t)
{
    hash_map_clear(&t->peers);
}
