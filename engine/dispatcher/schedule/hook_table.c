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
