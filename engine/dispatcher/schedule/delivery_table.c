// SPDX-License-Identifier: MIT
// delivery_table.c — the deliveries that a dispatcher has in memory.
//
// A hash table by hook and event, which tells whether the delivery of a row that is
// read from the index is in memory already.

#include "engine/dispatcher/schedule/delivery_table.h"

#include <stdlib.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"

#define TABLE_MIN 4096 // a power of two

void delivery_enter(struct delivery *dv, enum delivery_place place)
{
    static const char *const names[] = {
        [DELIVERY_IN_HAND] = "in hand", [DELIVERY_WAITING] = "waiting",
        [DELIVERY_SENT] = "sent",       [DELIVERY_SETTLED] = "settled",
        [DELIVERY_FREED] = "freed",
    };
    static const unsigned may[] = {
        [DELIVERY_IN_HAND] = 1u << DELIVERY_WAITING | 1u << DELIVERY_SENT |
                             1u << DELIVERY_SETTLED | 1u << DELIVERY_FREED,
        [DELIVERY_WAITING] = 1u << DELIVERY_IN_HAND,
        [DELIVERY_SENT] = 1u << DELIVERY_IN_HAND,
        [DELIVERY_SETTLED] = 1u << DELIVERY_FREED,
        [DELIVERY_FREED] = 0,
    };

    if ((may[dv->place] >> place & 1) == 0) {
        log_panic("a delivery goes where it must not", "from=\"%s\" to=\"%s\"",
                  names[dv->place], names[place]);
    }
    dv->place = place;
}

static size_t hash_of(uint64_t hook_id, struct position position)
{
    uint64_t x = get_be64(position.bytes) * UINT64_C(0x9e3779b97f4a7c15);

    x ^= hook_id * UINT64_C(0xc2b2ae3d27d4eb4f);
    return (size_t)(x ^ (x >> 29));
}

void delivery_table_init(struct schedule *s)
{
    s->open = xcalloc(TABLE_MIN, sizeof(struct delivery *));
    s->n_open_mask = TABLE_MIN - 1;
}

void delivery_table_free(struct schedule *s)
{
    for (size_t i = 0; i <= s->n_open_mask; i++) {
        while (s->open[i] != NULL) {
            struct delivery *dv = s->open[i];

            s->open[i] = dv->same_hash;
            free(dv);
        }
    }
    while (s->free_deliveries != NULL) {
        struct delivery *dv = s->free_deliveries;

        s->free_deliveries = dv->next;
        free(dv);
    }
    free(s->open);
    s->open = NULL;
}

struct delivery *delivery_find(const struct schedule *s, uint64_t hook_id,
                               struct position position)
{
    struct delivery *dv = s->open[hash_of(hook_id, position) & s->n_open_mask];

    while (dv != NULL && (dv->hook->no != hook_id ||
                          position_cmp(dv->position, position) != 0))
        dv = dv->same_hash;
    return dv;
}

static void insert(struct delivery **table, size_t mask, struct delivery *dv)
{
    size_t at = hash_of(dv->hook->no, dv->position) & mask;

    dv->same_hash = table[at];
    table[at] = dv;
}

static void grow(struct schedule *s)
{
    size_t n = (s->n_open_mask + 1) * 2;
    struct delivery **table = xcalloc(n, sizeof(struct delivery *));

    for (size_t i = 0; i <= s->n_open_mask; i++) {
        struct delivery *dv = s->open[i];

        while (dv != NULL) {
            struct delivery *next = dv->same_hash;

            insert(table, n - 1, dv);
            dv = next;
        }
    }
    free(s->open);
    s->open = table;
    s->n_open_mask = n - 1;
}

struct delivery *delivery_add(struct schedule *s, struct hook_state *f,
                              struct position position)
{
    struct delivery *dv = s->free_deliveries;

    if (dv != NULL) {
        s->free_deliveries = dv->next;
    } else {
        dv = xmalloc(sizeof(*dv));
    }
    *dv = (struct delivery){ .hook = f, .position = position };
    if (s->n_open > s->n_open_mask)
        grow(s);
    insert(s->open, s->n_open_mask, dv);
    s->n_open++;
    f->n_open++;
    dv->unpersisted_next = s->unpersisted;
    if (s->unpersisted != NULL)
        s->unpersisted->unpersisted_prev = dv;
    s->unpersisted = dv;
    return dv;
}

static void leave_unpersisted(struct schedule *s, struct delivery *dv)
{
    if (dv->unpersisted_prev != NULL) {
        dv->unpersisted_prev->unpersisted_next = dv->unpersisted_next;
    } else {
        s->unpersisted = dv->unpersisted_next;
    }
    if (dv->unpersisted_next != NULL)
        dv->unpersisted_next->unpersisted_prev = dv->unpersisted_prev;
    dv->unpersisted_prev = NULL;
    dv->unpersisted_next = NULL;
}

void delivery_set_row(struct schedule *s, struct delivery *dv,
                      int64_t due_at_ms)
{
    leave_unpersisted(s, dv);
    dv->has_row = true;
    dv->due_at_ms = due_at_ms;
}

void delivery_remove(struct schedule *s, struct delivery *dv)
{
    size_t at = hash_of(dv->hook->no, dv->position) & s->n_open_mask;
    struct delivery **link = &s->open[at];

    while (*link != dv)
        link = &(*link)->same_hash;
    *link = dv->same_hash;
    s->n_open--;
    dv->hook->n_open--;
    if (!dv->has_row)
        leave_unpersisted(s, dv);
    delivery_enter(dv, DELIVERY_FREED);
    dv->next = s->free_deliveries;
    s->free_deliveries = dv;
}

struct due_row delivery_row(const struct delivery *dv, int64_t due_at_ms)
{
    bool is_ordered = hook_is_ordered(dv->hook);

    // Rows of an ordered hook are sorted by position: the due time in their key is 0.
    return (struct due_row){ .hook_id = dv->hook->no,
                             .due_at_ms = is_ordered ? 0 : due_at_ms,
                             .position = dv->position,
                             .n_attempts = dv->n_attempts,
                             .n_crashes = dv->n_crashes,
                             .queue_us = dv->queue_us,
                             .not_before_ms = dv->not_before_ms,
                             .ordering_key = dv->ordering_key,
                             .replay = dv->replay,
                             .n_before = dv->n_before,
                             .payload_bytes = dv->payload_bytes };
}
