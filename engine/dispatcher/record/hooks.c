// SPDX-License-Identifier: MIT
// hooks.c — hooks with what the dispatcher's rooms note of them.

#include "engine/dispatcher/record/hooks.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"

struct hook_state *hook_find_or_add(struct dispatcher *d, uint64_t no)
{
    struct hook_state *f = hook_find(&d->schedule, no);

    if (f == NULL) {
        f = hook_add(&d->schedule, no);
        hook_set_notes(f, xcalloc(1, sizeof(*hook_notes(f))));
        hook_notes(f)->dispatcher = d;
    }
    return f;
}

void hook_forget_if_done(struct hook_state *f)
{
    struct hook_notes *notes = hook_notes(f);
    struct dispatcher *d = notes->dispatcher;

    if (hook_record(f) != NULL || !hook_is_idle(f) ||
        notes->is_health_changed || notes->is_alarm_late || hook_is_aside(f) ||
        d->on_hook_forgotten == NULL)
        return;
    d->on_hook_forgotten(d, f);
    hook_remove(&d->schedule, f);
    free(notes);
}

void hook_forget_all_done(struct dispatcher *d)
{
    struct hook_state *next = hook_next(&d->schedule, NULL);

    while (next != NULL) {
        struct hook_state *f = next;

        next = hook_next(&d->schedule, f);
        hook_forget_if_done(f);
    }
}

void hook_set_retry_waits(struct hook_state *f, const int64_t *waits_ms,
                          size_t n)
{
    struct hook_notes *notes = hook_notes(f);

    free(notes->retry_waits_ms);
    notes->retry_waits_ms = NULL;
    notes->n_retry_waits = n;
    if (n == 0)
        return;
    notes->retry_waits_ms = xcalloc(n, sizeof(*waits_ms));
    memcpy(notes->retry_waits_ms, waits_ms, n * sizeof(*waits_ms));
}

const struct due_row *hook_last_loaded(const struct hook_state *f,
                                       uint64_t n_commits)
{
    const struct hook_notes *notes = hook_notes(f);

    return notes->last_loaded_after == n_commits ? &notes->last_loaded : NULL;
}

void hook_note_loaded(struct hook_state *f, const struct due_row *last,
                      uint64_t n_commits)
{
    hook_notes(f)->last_loaded = *last;
    hook_notes(f)->last_loaded_after = n_commits;
}

void hook_load_anew(struct hook_state *f)
{
    hook_notes(f)->last_loaded_after = 0;
}
