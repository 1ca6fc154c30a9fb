// SPDX-License-Identifier: MIT
// delivery_table.h — the deliveries that a dispatcher has in memory.

#ifndef ENGINE_DISPATCHER_SCHEDULE_DELIVERY_TABLE_H
#define ENGINE_DISPATCHER_SCHEDULE_DELIVERY_TABLE_H

#include "engine/dispatcher/schedule/schedule.h"

// Moves the delivery to `place`. Aborts with both names if that move is not legal.
void delivery_enter(struct delivery *dv, enum delivery_place place);

void delivery_table_free(struct schedule *s); // frees all deliveries
struct delivery *delivery_find(const struct schedule *s, uint64_t hook_id,
                               struct position position);

// A new delivery in the state DELIVERY_IN_HAND. It has no row unless the caller
// calls delivery_set_row().
struct delivery *delivery_add(struct schedule *s, struct hook_state *f,
                              struct position position);
void delivery_set_row(struct schedule *s, struct delivery *dv,
                      int64_t due_at_ms);
void delivery_remove(struct schedule *s, struct delivery *dv); // frees it

// A delivery that has no row; NULL: each has one.
struct delivery *delivery_without_row(const struct schedule *s);

// The delivery's row, whether it has one yet or not. `due_at_ms` is ignored if the
// hook is ordered.
struct due_row delivery_row(const struct delivery *dv, int64_t due_at_ms);

#endif
