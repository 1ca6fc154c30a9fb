// SPDX-License-Identifier: MIT
// delivery_table.h — the deliveries that a dispatcher has in memory.

#ifndef ENGINE_DISPATCHER_SCHEDULE_DELIVERY_TABLE_H
#define ENGINE_DISPATCHER_SCHEDULE_DELIVERY_TABLE_H

#include "engine/dispatcher/schedule/schedule.h"

static inline struct hook_state *delivery_hook(const struct delivery *dv)
{
    return dv->hook;
}

static inline struct position delivery_position(const struct delivery *dv)
{
    return dv->position;
}

static inline struct delivery_notes *delivery_notes(struct delivery *dv)
{
    return &dv->notes;
}

// The same, for reading.
static inline const struct delivery_notes *
delivery_noted(const struct delivery *dv)
{
    return &dv->notes;
}

static inline enum delivery_place delivery_place(const struct delivery *dv)
{
    return dv->place;
}

static inline bool delivery_has_row(const struct delivery *dv)
{
    return dv->has_row;
}

// The key of its row, which it has or gets.
static inline int64_t delivery_due_at_ms(const struct delivery *dv)
{
    return dv->due_at_ms;
}

// Ordered hooks only: when its next attempt may be made (of the clock of due times).
static inline void delivery_set_not_before(struct delivery *dv, int64_t at_ms)
{
    dv->not_before_ms = at_ms;
}

// Dispatchers that died with it.
static inline void delivery_set_deaths(struct delivery *dv, uint32_t n_deaths)
{
    dv->n_deaths = n_deaths;
}

// Moves the delivery to `place`. Aborts with both names if that move is not legal.
void delivery_enter(struct delivery *dv, enum delivery_place place);

void delivery_table_free(struct schedule *s); // frees all deliveries
struct delivery *delivery_find(const struct schedule *s, uint64_t hook_id,
                               struct position position);

// A new delivery in the state DELIVERY_IN_HAND. It has no row unless the caller
// calls delivery_set_row().
struct delivery *delivery_add(struct schedule *s, struct hook_state *f,
                              struct position position);
// The same for a delivery that came from the log: `row` is what its row will be.
struct delivery *delivery_add_from_log(struct schedule *s, struct hook_state *f,
                                       const struct due_row *row);
// The same for a delivery whose row, `row`, is in the index.
struct delivery *delivery_add_row(struct schedule *s, struct hook_state *f,
                                  const struct due_row *row);
void delivery_set_row(struct schedule *s, struct delivery *dv,
                      int64_t due_at_ms);
// It stays in the queue of its ordered hook, and has the row that is put for that.
void delivery_keep(struct schedule *s, struct delivery *dv);

// Whether the delivery must not wait in memory: its hook is ordered, and those before
// it may be in the index.
bool delivery_must_leave(const struct delivery *dv);

// Moves the delivery to the settled ones, in this list.
void delivery_settle(struct delivery **list, struct delivery *dv);
// Takes one out of the list; NULL: it is empty. SCHEDULE_DURABLE is to be reported of it.
struct delivery *delivery_take_settled(struct delivery **list);
void delivery_remove(struct schedule *s, struct delivery *dv); // frees it

// A delivery that has no row; NULL: each has one.
struct delivery *delivery_without_row(const struct schedule *s);

// The delivery's row, whether it has one yet or not. `due_at_ms` is ignored if the
// hook is ordered.
struct due_row delivery_row(const struct delivery *dv, int64_t due_at_ms);

#endif
