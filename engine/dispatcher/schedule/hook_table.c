// SPDX-License-Identifier: MIT
// hook_table.c — the hooks of this shard, and the running state of each.
//
// A hash table by hook id. deliver/hook_cache.c keeps it up to date with the store.

#include "engine/dispatcher/schedule/hook_table.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/process/deadline.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/schedule.h"

#define TABLE_MIN 1024 // a power of two

static size_t slot_of(const struct dispatcher *d, uint64_t no)
{
    return (size_t)(no * UINT64_C(0x9e3779b97f4a7c15) >> 20) & d->n_by_no_mask;
}

struct hook_state *hook_find(const struct dispatcher *d, uint64_t no)
{
    struct hook_state *f;

    if (d->by_no == NULL)
        return NULL;
    f = d->by_no[slot_of(d, no)];
    while (f != NULL && f->no != no)
        f = f->next_hash;
    return f;
}

static void grow(struct dispatcher *d)
{
    size_t n_old = d->by_no != NULL ? d->n_by_no_mask + 1 : 0;
    struct hook_state **old = d->by_no;

    d->n_by_no_mask = (n_old > 0 ? n_old * 2 : TABLE_MIN) - 1;
    d->by_no = xcalloc(d->n_by_no_mask + 1, sizeof(struct hook_state *));
    for (size_t i = 0; i < n_old; i++) {
        struct hook_state *f = old[i];

        while (f != NULL) {
            struct hook_state *next = f->next_hash;
            struct hook_state **head = &d->by_no[slot_of(d, f->no)];

            f->next_hash = *head;
            *head = f;
            f = next;
        }
    }
    free(old);
}

struct hook_state *hook_find_or_add(struct dispatcher *d, uint64_t no)
{
    struct hook_state *f = hook_find(d, no);
    struct hook_state **head;

    if (f != NULL)
        return f;
    if (d->by_no == NULL || d->n_hooks > d->n_by_no_mask)
        grow(d);
    f = xcalloc(1, sizeof(*f));
    f->dispatcher = d;
    f->no = no;
    hook_schedule_init(f);
    throttle_init(&f->throttle, HOOK_WINDOW_START);
    head = &d->by_no[slot_of(d, no)];
    f->next_hash = *head;
    *head = f;
    d->n_hooks++;
    return f;
}

static void on_hook_timer_closed(uv_handle_t *handle)
{
    struct hook_state *f = handle->data;

    if (--f->n_open_timers == 0)
        free(f);
}

void hook_forget_if_done(struct hook_state *f)
{
    struct dispatcher *d = f->dispatcher;
    struct hook_state **link;

    if (f->hook != NULL || f->n_open > 0 || f->has_rows ||
        f->place != HOOK_RESTS || f->is_health_unsaid || f->is_alarm_late ||
        f->is_aside || d->on_hook_forgotten == NULL)
        return;
    d->on_hook_forgotten(d, f);
    link = &d->by_no[slot_of(d, f->no)];
    while (*link != f)
        link = &(*link)->next_hash;
    *link = f->next_hash;
    d->n_hooks--;
    hook_enter(f, HOOK_LEFT);
    deadline_close(&f->rows_due, on_hook_timer_closed);
    deadline_close(&f->pause_over, on_hook_timer_closed);
}

void hook_forget_all_done(struct dispatcher *d)
{
    for (size_t i = 0; d->by_no != NULL && i <= d->n_by_no_mask; i++) {
        struct hook_state *f = d->by_no[i];

        while (f != NULL) {
            struct hook_state *next = f->next_hash;

            hook_forget_if_done(f);
            f = next;
        }
    }
}
