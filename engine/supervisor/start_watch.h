// SPDX-License-Identifier: MIT
// start_watch.h — whether a process that has not turned its loop yet makes progress.
//
// During a start no loop runs that could beat: the process reads, or converts, what is
// stored, which may take hours, and meanwhile uses the processor or waits for the disk.
// A process that does neither hangs, for example on a file that is a pipe.

#ifndef ENGINE_SUPERVISOR_START_WATCH_H
#define ENGINE_SUPERVISOR_START_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Closed to other rooms.
struct start_watch {
    pid_t pid;             // the process that is watched
    int64_t stirred_us;    // when progress was last seen
    int64_t checked_at_us; // time of the last check
    uint64_t used_ticks;   // processor time when progress was last seen
    bool is_stopped;       // by a signal, or traced
};

// How long a process has made no progress, by the checks so far: to be called again and
// again. 0 if /proc does not tell.
int64_t start_idle_us(struct start_watch *w, pid_t pid);

#endif
