// SPDX-License-Identifier: MIT
// delivery_table.c — the deliveries that a dispatcher has in memory.
//
// A hash table by hook and event, which tells whether the delivery of a row that is
// read from the index is in memory already.

#include "engine/dispatcher/schedule/delivery_table.h"

#include <stdlib.h>

#include "common/base/codec.h"
#include "common/base/hash_map.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"

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

static uint64_t hash_of(uint64_t hook_id, struct position position)
{
    uint64_t x = get_be64(position.bytes) * UINT64_C(0x9e3779b97f4a7c15);

    x ^= hook_id * UINT64_C(0xc2b2ae3d27d4eb4f);
    return x ^ (x >> 29);
}

void delivery_table_free(struct schedule *s)
{
    struct hash_node *n;

    while ((n = hash_map_next(&s->open, NULL)) != NULL) {
        hash_map_remove(&s->open, n);
        free(HASH_OBJECT(n, struct delivery, node));
    }
    hash_map_clear(&s->open);
    while (s->free_deliveries != NULL) {
        struct delivery *dv = s->free_deliveries;

        s->free_deliveries = dv->next;
        free(dv);
    }
}

struct delivery *delivery_find(const struct schedule *s, uint64_t hook_id,
                               struct position position)
{
    struct hash_node *n = hash_map_find(&s->open, hash_of(hook_id, position));

    for (; n != NULL; n = hash_map_same(n)) {
        struct delivery *dv = HASH_OBJECT(n, struct delivery, node);

        if (dv->hook->no == hook_id &&
            position_cmp(dv->position, position) == 0)
            return dv;
    }
    return NULL;
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
    hash_map_add(&s->open, &dv->node, hash_of(f->no, position));
    f->n_open++;
    list_push_front(&s->unpersisted, &dv->unpersisted);
    return dv;
}

static void take_row(struct delivery *dv, const struct due_row *row)
{
    dv->due_at_ms = row->due_at_ms;
    dv->not_before_ms = row->not_before_ms;
    dv->ordering_key = row->ordering_key;
    dv->notes.n_attempts = row->n_attempts;
    dv->notes.n_crashes = row->n_crashes;
    dv->notes.queue_us = row->queue_us;
    dv->notes.replay = row->replay;
    dv->notes.n_before = row->n_before;
    dv->notes.payload_bytes = row->payload_bytes;
}

struct delivery *delivery_add_from_log(struct schedule *s, struct hook_state *f,
                                       const struct due_row *row)
{
    struct delivery *dv = delivery_add(s, f, row->position);

    take_row(dv, row);
    dv->is_from_log = true;
    return dv;
}

struct delivery *delivery_add_row(struct schedule *s, struct hook_state *f,
                                  const struct due_row *row)
{
    struct delivery *dv = delivery_add(s, f, row->position);

    take_row(dv, row);
    delivery_set_row(s, dv, row->due_at_ms);
    return dv;
}

void delivery_keep(struct schedule *s, struct delivery *dv)
{
    if (!dv->has_row)
        delivery_set_row(s, dv, 0);
    dv->due_at_ms = 0;
    dv->is_from_log = false;
}

bool delivery_must_leave(const struct delivery *dv)
{
    return dv->is_out_of_order && hook_is_ordered(dv->hook);
}

void delivery_settle(struct delivery **list, struct delivery *dv)
{
    delivery_enter(dv, DELIVERY_SETTLED);
    dv->next = *list;
    *list = dv;
}

struct delivery *delivery_take_settled(struct delivery **list)
{
    struct delivery *dv = *list;

    if (dv != NULL)
        *list = dv->next;
    return dv;
}

void delivery_set_row(struct schedule *s, struct delivery *dv,
                      int64_t due_at_ms)
{
    list_remove(&s->unpersisted, &dv->unpersisted);
    dv->has_row = true;
    dv->due_at_ms = due_at_ms;
}

void delivery_remove(struct schedule *s, struct delivery *dv)
{
    hash_map_remove(&s->open, &dv->node);
    dv->hook->n_open--;
    if (!dv->has_row)
        list_remove(&s->unpersisted, &dv->unpersisted);
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
                             .n_attempts = dv->notes.n_attempts,
                             .n_crashes = dv->notes.n_crashes,
                             .queue_us = dv->notes.queue_us,
                             .not_before_ms = dv->not_before_ms,
                             .ordering_key = dv->ordering_key,
                             .replay = dv->notes.replay,
                             .n_before = dv->notes.n_before,
                             .payload_bytes = dv->notes.payload_bytes };
}

struct delivery *delivery_without_row(const struct schedule *s)
{
    return LIST_FIRST(&s->unpersisted, struct delivery, unpersisted);
}
