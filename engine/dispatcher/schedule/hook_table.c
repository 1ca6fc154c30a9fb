// SPDX-License-Identifier: MIT
// hook_table.c — the hooks of this shard, and the running state of each.
//
// A hash table by hook id. deliver/hook_cache.c keeps it up to date with the store.

#include "engine/dispatcher/schedule/hook_table.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/alarms.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/schedule.h"

#define TABLE_MIN 1024 // a power of two

static size_t bucket_of(const struct schedule *s, uint64_t no)
{
    return (size_t)(no * UINT64_C(0x9e3779b97f4a7c15) >> 20) & s->n_hooks_mask;
}

struct hook_state *hook_find(const struct schedule *s, uint64_t no)
{
    struct hook_state *f;

    if (s->hooks == NULL)
        return NULL;
    f = s->hooks[bucket_of(s, no)];
    while (f != NULL && f->no != no)
        f = f->next_hash;
    return f;
}

static void insert(struct schedule *s, struct hook_state *f)
{
    struct hook_state **head = &s->hooks[bucket_of(s, f->no)];

    f->next_hash = *head;
    *head = f;
}

static void grow(struct schedule *s)
{
    size_t n_old = s->hooks != NULL ? s->n_hooks_mask + 1 : 0;
    struct hook_state **old = s->hooks;

    s->n_hooks_mask = (n_old > 0 ? n_old * 2 : TABLE_MIN) - 1;
    s->hooks = xcalloc(s->n_hooks_mask + 1, sizeof(struct hook_state *));
    for (size_t i = 0; i < n_old; i++) {
        struct hook_state *f = old[i];

        while (f != NULL) {
            struct hook_state *next = f->next_hash;

            insert(s, f);
            f = next;
        }
    }
    free(old);
}

struct hook_state *hook_add(struct schedule *s, uint64_t no)
{
    struct hook_state *f = xcalloc(1, sizeof(*f));

    if (s->hooks == NULL || s->n_hooks > s->n_hooks_mask)
        grow(s);
    f->no = no;
    f->rows_due.hook = f;
    f->pause_over.hook = f;
    f->first_due_ms = INT64_MAX;
    throttle_init(&f->throttle, HOOK_WINDOW_START);
    insert(s, f);
    s->n_hooks++;
    return f;
}

bool hook_is_idle(const struct hook_state *f)
{
    return f->n_open == 0 && !f->has_rows && !f->is_loading &&
           f->place == HOOK_RESTS;
}

void hook_remove(struct schedule *s, struct hook_state *f)
{
    struct hook_state **link = &s->hooks[bucket_of(s, f->no)];

    assert(f->hook == NULL && hook_is_idle(f));
    while (*link != f)
        link = &(*link)->next_hash;
    *link = f->next_hash;
    s->n_hooks--;
    hook_enter(f, HOOK_LEFT);
    alarm_clear(s, &f->rows_due);
    alarm_clear(s, &f->pause_over);
    free(f);
}

struct hook_state *hook_next(const struct schedule *s,
                             const struct hook_state *f)
{
    size_t i = 0;

    if (s->hooks == NULL)
        return NULL;
    if (f != NULL) {
        if (f->next_hash != NULL)
            return f->next_hash;
        i = bucket_of(s, f->no) + 1;
    }
    while (i <= s->n_hooks_mask && s->hooks[i] == NULL)
        i++;
    return i <= s->n_hooks_mask ? s->hooks[i] : NULL;
}

void hook_table_free(struct schedule *s)
{
    for (size_t i = 0; s->hooks != NULL && i <= s->n_hooks_mask; i++) {
        while (s->hooks[i] != NULL) {
            struct hook_state *f = s->hooks[i];

            s->hooks[i] = f->next_hash;
            free(f);
        }
    }
    free(s->hooks);
    s->hooks = NULL;
}
