// SPDX-License-Identifier: MIT
// alarms.c — the times at which something happens to a hook, the earliest first.
//
// A binary heap in an array, from index 1; the children of i are 2i and 2i + 1. Each
// alarm knows its index, so it can be moved and taken out.

#include "engine/dispatcher/schedule/alarms.h"

#include "common/base/mem.h"
#include "engine/dispatcher/schedule/schedule.h"

#define ROOM_MIN 64

static void put(struct schedule *s, size_t i, struct hook_alarm *a)
{
    s->alarms[i] = a;
    a->i = i;
}

static void move_up(struct schedule *s, struct hook_alarm *a)
{
    size_t i = a->i;

    while (i > 1 && s->alarms[i / 2]->at_us > a->at_us) {
        put(s, i, s->alarms[i / 2]);
        i /= 2;
    }
    put(s, i, a);
}

static void move_down(struct schedule *s, struct hook_alarm *a)
{
    size_t i = a->i;

    while (i * 2 <= s->n_alarms) {
        size_t child = i * 2;

        if (child < s->n_alarms &&
            s->alarms[child + 1]->at_us < s->alarms[child]->at_us)
            child++;
        if (s->alarms[child]->at_us >= a->at_us)
            break;
        put(s, i, s->alarms[child]);
        i = child;
    }
    put(s, i, a);
}

void alarm_set(struct schedule *s, struct hook_alarm *a, int64_t at_us)
{
    if (a->i > 0 && a->at_us <= at_us)
        return;
    a->at_us = at_us;
    if (a->i == 0) {
        if (s->n_alarms + 1 >= s->alarms_room) {
            s->alarms_room = s->alarms_room > 0 ? s->alarms_room * 2 : ROOM_MIN;
            s->alarms = xrealloc(s->alarms,
                                 s->alarms_room * sizeof(struct hook_alarm *));
        }
        put(s, ++s->n_alarms, a);
    }
    move_up(s, a);
}

void alarm_clear(struct schedule *s, struct hook_alarm *a)
{
    struct hook_alarm *last;
    size_t i = a->i;

    if (i == 0)
        return;
    last = s->alarms[s->n_alarms--];
    a->i = 0;
    if (last == a)
        return;
    put(s, i, last);
    move_up(s, last);
    move_down(s, last);
}

struct hook_alarm *alarm_take(struct schedule *s, int64_t now_us)
{
    struct hook_alarm *first;

    if (s->n_alarms == 0 || s->alarms[1]->at_us > now_us)
        return NULL;
    first = s->alarms[1];
    alarm_clear(s, first);
    return first;
}

int64_t alarm_first_us(const struct schedule *s)
{
    return s->n_alarms > 0 ? s->alarms[1]->at_us : INT64_MAX;
}
