// SPDX-License-Identifier: MIT
// start_watch.c — whether a process that has not turned its loop yet makes progress.

#include "engine/supervisor/start_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"

#define USED_AT        11 // fields of /proc/PID/stat behind the state: user's time
#define ASLEEP_US      INT64_C(5000000) // longer than between two checks
#define STIR_TICKS     5 // a process that waits and polls uses less
#define NOT_TO_BE_SEEN '?'

// Returns the state letter; `used_ticks` gets the processor time in user and kernel.
static char read_stat(pid_t pid, uint64_t *used_ticks)
{
    char path[64];
    char text[1024] = "";
    char *at;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NOT_TO_BE_SEEN;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    close(fd);
    at = strrchr(text, ')'); // a command's name may have any characters
    if (at == NULL || at[1] != ' ' || at[2] == '\0')
        return NOT_TO_BE_SEEN;
    text[0] = at[2];
    at += 2;
    for (int i = 0; at != NULL && i < USED_AT; i++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return NOT_TO_BE_SEEN;
    *used_ticks = strtoull(at + 1, &at, 10);
    *used_ticks += strtoull(at, NULL, 10);
    return text[0];
}

int64_t start_idle_us(struct start_watch *w, pid_t pid)
{
    int64_t now_us = clock_mono_us();
    uint64_t used_ticks = 0;
    char state = read_stat(pid, &used_ticks);
    bool was_stopped = w->is_stopped;

    // Time in which the supervisor did not run either, such as a pause of the
    // container, does not count as idle.
    if (w->pid == pid && now_us - w->checked_at_us > ASLEEP_US)
        w->stirred_us += now_us - w->checked_at_us;
    w->checked_at_us = now_us;
    w->is_stopped = state == 'T' || state == 't';
    if (w->pid != pid || state == NOT_TO_BE_SEEN || state == 'D' ||
        used_ticks >= w->used_ticks + STIR_TICKS) {
        *w = (struct start_watch){ .pid = pid,
                                   .stirred_us = now_us,
                                   .checked_at_us = now_us,
                                   .used_ticks = used_ticks,
                                   .is_stopped = w->is_stopped };
    } else if (was_stopped && !w->is_stopped) {
        w->stirred_us = now_us; // it goes on, and may take its time
    }
    return now_us - w->stirred_us;
}
