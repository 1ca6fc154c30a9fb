// SPDX-License-Identifier: MIT
// alarms.h — the times at which something happens to a hook, the earliest first.

#ifndef ENGINE_DISPATCHER_SCHEDULE_ALARMS_H
#define ENGINE_DISPATCHER_SCHEDULE_ALARMS_H

#include "engine/dispatcher/schedule/schedule.h"

// Sets the alarm to this time (monotonic). An alarm that is set to an earlier time
// already stays as it is.
void alarm_set(struct schedule *s, struct hook_alarm *a, int64_t at_us);
void alarm_clear(struct schedule *s, struct hook_alarm *a);

// Takes out the earliest alarm, if its time has come; else NULL.
struct hook_alarm *alarm_take(struct schedule *s, int64_t now_us);

// The time of the earliest alarm; INT64_MAX: none is set.
int64_t alarm_first_us(const struct schedule *s);

#endif
