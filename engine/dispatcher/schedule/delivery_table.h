// delivery_table.h — the deliveries that a dispatcher has in memory.

#ifndef ENGINE_DISPATCHER_SCHEDULE_DELIVERY_TABLE_H
#define ENGINE_DISPATCHER_SCHEDULE_DELIVERY_TABLE_H

#include "engine/dispatcher/schedule/schedule.h"

// Moves it. Aborts with both names if it may not go there from where it is.
void delivery_enter(struct delivery *dv, enum delivery_place place);

void opens_init(struct dispatcher *d);
struct delivery *open_find(const struct dispatcher *d, uint64_t hook_no,
                           struct position position);

// A new one, in hand, without a row unless the caller gives it one.
struct delivery *open_add(struct dispatcher *d, struct followed *f,
                          struct position position);
void open_give_row(struct dispatcher *d, struct delivery *dv,
                   int64_t due_at_ms);
void open_remove(struct dispatcher *d, struct delivery *dv); // frees it

// The row that it has or shall have; `due_at_ms` counts unless it is ordered.
struct due_row row_of(const struct delivery *dv, int64_t due_at_ms);

#endif
