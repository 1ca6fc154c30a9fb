// SPDX-License-Identifier: MIT
// hook_table.c — the hooks of this shard, and the running state of each.
//
// A hash table by hook id. deliver/hook_cache.c keeps it up to date with the store.

#include "engine/dispatcher/schedule/hook_table.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/hash_map.h"
#include "common/base/mem.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/alarms.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"

struct hook_state *hook_find(const struct schedule *s, uint64_t no)
{
    struct hash_node *n = hash_map_find(&s->hooks, no);

    for (; n != NULL; n = hash_map_same(n)) {
        struct hook_state *f = HASH_OBJECT(n, struct hook_state, node);

        if (f->no == no)
            return f;
    }
    return NULL;
}

struct hook_state *hook_add(struct schedule *s, uint64_t no)
{
    struct hook_state *f = xcalloc(1, sizeof(*f));

    f->no = no;
    f->rows_due.hook = f;
    f->pause_over.hook = f;
    f->first_due_ms = INT64_MAX;
    throttle_init(&f->throttle, HOOK_WINDOW_START);
    hash_map_add(&s->hooks, &f->node, no);
    return f;
}

bool hook_is_idle(const struct hook_state *f)
{
    return f->n_open == 0 && !f->has_rows && !f->is_loading &&
           f->place == HOOK_RESTS;
}

void hook_remove(struct schedule *s, struct hook_state *f)
{
    assert(f->hook == NULL && hook_is_idle(f));
    hash_map_remove(&s->hooks, &f->node);
    hook_enter(f, HOOK_LEFT);
    alarm_clear(s, &f->rows_due);
    alarm_clear(s, &f->pause_over);
    free(f);
}

struct hook_state *hook_next(const struct schedule *s,
                             const struct hook_state *f)
{
    struct hash_node *n = hash_map_next(&s->hooks, f != NULL ? &f->node : NULL);

    return HASH_OBJECT(n, struct hook_state, node);
}

enum hook_walk_step
hook_walk(const struct schedule *s, struct hook_walk *w, size_t n,
          void (*visit)(void *data, const struct hook_state *f), void *data)
{
    if (w->at == 0)
        w->n_buckets = hash_map_n_buckets(&s->hooks);
    if (w->n_buckets != hash_map_n_buckets(&s->hooks)) {
        w->at = 0;
        return WALK_IN_VAIN;
    }
    for (; n > 0 && w->at < w->n_buckets; n--, w->at++) {
        struct hash_node *node = hash_map_bucket(&s->hooks, w->at);

        for (; node != NULL; node = node->next)
            visit(data, HASH_OBJECT(node, struct hook_state, node));
    }
    if (w->at < w->n_buckets)
        return WALK_GOES_ON;
    w->at = 0;
    return WALK_ENDED;
}

int64_t hook_due_since_ms(const struct schedule *s, const struct hook_state *f,
                          int64_t now_us)
{
    const struct delivery *dv = f->first;

    if (throttle_not_before_us(&f->throttle) > now_us)
        return INT64_MAX;
    if (hook_is_ordered(f)) {
        if (dv == NULL || dv->place != DELIVERY_WAITING ||
            dv->not_before_ms > s->now_ms)
            return INT64_MAX;
        return s->now_ms - (now_us - dv->waiting_since_us) / 1000;
    }
    if (dv != NULL)
        return dv->due_at_ms;
    return f->has_due_rows && !f->are_rows_left ? f->rows_due_since_ms
                                                : INT64_MAX;
}

void hook_table_free(struct schedule *s)
{
    struct hook_state *next = hook_next(s, NULL);

    while (next != NULL) {
        struct hook_state *f = next;

        next = hook_next(s, f);
        hash_map_remove(&s->hooks, &f->node);
        free(f);
    }
    hash_map_clear(&s->hooks);
}
