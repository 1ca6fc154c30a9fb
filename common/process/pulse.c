// SPDX-License-Identifier: MIT
// pulse.c — whether each role works.

#include "common/process/pulse.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/process/metrics.h"

// --- the role, of its own ---

void pulse_beat(void)
{
    atomic_store_explicit(&metrics_own_pulse()->beat_us, clock_mono_us(),
                          memory_order_relaxed);
}

int pulse_disk_begin(void)
{
    struct pulse *p = metrics_own_pulse();

    for (int i = 0; i < PULSE_DISK_CELLS; i++) {
        int_least64_t free_cell = 0;

        if (atomic_compare_exchange_strong(&p->disk_since_us[i], &free_cell,
                                           clock_mono_us()))
            return i;
    }
    return -1; // more commits at once than there are cells
}

void pulse_disk_end(int cell)
{
    if (cell >= 0)
        atomic_store(&metrics_own_pulse()->disk_since_us[cell], 0);
}

// --- the supervisor ---

void pulse_set_state(size_t slot, enum pulse_state state, int reason)
{
    struct standing *s = metrics_standing(slot);

    atomic_store(&s->reason, reason);
    atomic_store(&s->state, state);
}

void pulse_reset(size_t slot)
{
    struct pulse *p = metrics_pulse(slot);

    atomic_store(&p->beat_us, 0);
    for (size_t i = 0; i < PULSE_DISK_CELLS; i++)
        atomic_store(&p->disk_since_us[i], 0);
}

void pulse_set_link_errno(size_t slot, int error)
{
    atomic_store(&metrics_standing(slot)->link_errno, error);
}

// --- everybody ---

// How long ago a time was, if it is plausible: a role may write anything.
static int64_t ago_us(int64_t since_us)
{
    int64_t now_us = clock_mono_us();

    return since_us > 0 && since_us < now_us ? now_us - since_us : 0;
}

int64_t pulse_silent_us(size_t slot)
{
    return ago_us(atomic_load(&metrics_pulse(slot)->beat_us));
}

bool pulse_has_turned(size_t slot)
{
    return atomic_load(&metrics_pulse(slot)->beat_us) != 0;
}

enum pulse_state pulse_state_of(size_t slot)
{
    return (enum pulse_state)atomic_load(&metrics_standing(slot)->state);
}

static int64_t disk_waited_us(const struct pulse *p)
{
    int64_t longest_us = 0;

    for (size_t i = 0; i < PULSE_DISK_CELLS; i++) {
        int64_t waited_us = ago_us(atomic_load(&p->disk_since_us[i]));

        if (waited_us > longest_us)
            longest_us = waited_us;
    }
    return longest_us;
}

// The state letter of /proc/PID/stat; '?' if it is not visible.
static char process_state(int64_t pid)
{
    char path[64];
    char line[256] = "";
    char state = '?';
    const char *end;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return state;
    end = fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
    if (end != NULL && end[1] == ' ' && end[2] != '\0')
        state = end[2];
    fclose(file);
    return state;
}

void pulse_put_silence(size_t slot, struct buf *why)
{
    long long seconds = pulse_silent_us(slot) / 1000000;

    switch (process_state(metrics_gauge_of(slot, GAUGE_PID))) {
    case 'T':
    case 't':
        buf_printf(why, "has been stopped for %lld s", seconds);
        break;
    case 'D':
        buf_printf(why, "has waited for the disk for %lld s", seconds);
        break;
    case 'R':
        buf_printf(why, "spins: its loop has not turned for %lld s", seconds);
        break;
    default:
        buf_printf(why, "hangs: its loop has not turned for %lld s", seconds);
    }
}

// Whether the loop of a role turns that the supervisor considers ready.
static bool does_turn(size_t slot, struct buf *why)
{
    const struct pulse *p = metrics_pulse(slot);
    int64_t silent_us = pulse_silent_us(slot);
    int64_t waited_us = disk_waited_us(p);
    int link_errno = (int)atomic_load(&metrics_standing(slot)->link_errno);
    bool is_displaced = metrics_gauge_of(slot, GAUGE_DISPLACED) > 0;
    bool has_room = metrics_gauge_of(slot, GAUGE_SENDING_STOPPED) == 0;

    if (silent_us <= PULSE_LATE_US && waited_us <= PULSE_LATE_US &&
        link_errno == 0 && !is_displaced && has_room)
        return true;
    if (why == NULL)
        return false;
    if (silent_us > PULSE_LATE_US) {
        pulse_put_silence(slot, why);
    } else if (waited_us > PULSE_LATE_US) {
        buf_printf(why, "has waited for the disk for %lld s",
                   (long long)waited_us / 1000000);
    } else if (is_displaced) {
        buf_puts(why, "works on files that were removed or replaced");
    } else if (!has_room) {
        buf_puts(why, "finds no room to store what becomes of deliveries, and "
                      "sends none");
    } else {
        buf_printf(why, "lacks a link to a neighbour: %s",
                   uv_strerror(-link_errno));
    }
    return false;
}

static void put_end(struct buf *why, int reason)
{
    if (reason == PULSE_STATUS_BASE + EXIT_DAMAGED) {
        buf_puts(why, "has found that stored data is damaged: see "
                      "`posthorn repair`");
    } else if (reason >= PULSE_STATUS_BASE) {
        buf_printf(why, "has ended with status %d and is started again",
                   reason - PULSE_STATUS_BASE);
    } else {
        buf_printf(why, "has ended by signal %d (%s) and is started again",
                   reason, strsignal(reason));
    }
}

bool pulse_works(size_t slot, struct buf *why)
{
    enum pulse_state state = pulse_state_of(slot);
    int reason = (int)atomic_load(&metrics_standing(slot)->reason);

    if (state == PULSE_READY)
        return does_turn(slot, why);
    if (why == NULL)
        return false;
    switch (state) {
    case PULSE_STARTING:
        buf_puts(why, "starts");
        break;
    case PULSE_DRAINING:
        buf_puts(why, "ends the engine");
        break;
    case PULSE_ENDED:
        put_end(why, reason);
        break;
    case PULSE_NOT_SPAWNED:
        buf_printf(why, "cannot be started: %s", uv_strerror(-reason));
        break;
    case PULSE_NONE:
    case PULSE_READY:
        break;
    }
    return false;
}
