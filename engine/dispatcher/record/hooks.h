// SPDX-License-Identifier: MIT
// hooks.h — hooks with what the dispatcher's rooms note of them.

#ifndef ENGINE_DISPATCHER_RECORD_HOOKS_H
#define ENGINE_DISPATCHER_RECORD_HOOKS_H

#include "common/base/list.h"
#include "engine/dispatcher/loop/dispatcher.h"

// What the rooms around the scheduling core note of a hook.
// Closed to other rooms.
struct hook_notes {
    struct dispatcher *dispatcher;
    int64_t *retry_waits_ms; // its own schedule; NULL: that of the settings
    size_t n_retry_waits;
    struct hook_health health;
    struct hook_state *next_changed;   // in the list of health_rows.c
    struct hook_state *next_late;      // in the list of hook_health.c
    struct dead_report *dead_report;   // owned by dead_report.c; NULL: none
    enum hook_disabled disable_wanted; // api is asked to switch it off
    uint64_t disable_from;             // api is asked after this commit
    bool is_health_changed;            // and not added to d->open_batch yet
    bool is_alarm_late;                // it waits for its alarm
    bool is_told;                      // api knows `told`
    struct due_row
        last_loaded; // last row read, after commit `last_loaded_after`
    uint64_t last_loaded_after; // 0: none was read
    struct org_sum *org;        // of its organization; NULL: not known
    struct list_node watch;     // in the list of backlog.c
    struct hook_state
        *watched; // this hook, while it is in that list; else NULL
    struct backlog backlog, told; // what waits for it; what api was sent of it
};

// Finds the hook's state, or makes one for a deleted hook: its rows are cancelled.
struct hook_state *hook_find_or_add(struct dispatcher *d, uint64_t no);

// Frees the state of a deleted hook, unless something of it is left: deliveries, rows,
// a turn, health that is not written yet, or an alarm that waits.
void hook_forget_if_done(struct hook_state *f);
void hook_forget_all_done(struct dispatcher *d);

// The waits of its own schedule, which are copied; `n` is 0: that of the settings.
void hook_set_retry_waits(struct hook_state *f, const int64_t *waits_ms,
                          size_t n);

// The row of it that was read last, if that was after commit `n_commits`; else NULL.
const struct due_row *hook_last_loaded(const struct hook_state *f,
                                       uint64_t n_commits);
void hook_note_loaded(struct hook_state *f, const struct due_row *last,
                      uint64_t n_commits);
void hook_load_anew(struct hook_state *f); // from the first row

#endif
