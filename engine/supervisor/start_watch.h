// SPDX-License-Identifier: MIT
// start_watch.h — whether a process that has not turned its loop yet still gets on.
//
// A start has no loop that could beat: it reads, or converts, what is stored, which may
// take hours, and then uses the processor or waits for the disk. One that does neither
// hangs, as on a file that is a pipe.

#ifndef ENGINE_SUPERVISOR_START_WATCH_H
#define ENGINE_SUPERVISOR_START_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct start_watch {
    pid_t pid;           // whom it is about
    int64_t stirred_us;  // when it was last seen to get on
    int64_t looked_us;   // when it was looked at before
    uint64_t used_ticks; // of the processor, then
    bool is_stopped;     // by a signal, or traced
};

// For how long a process has done nothing, as far as was seen: to be asked again and
// again. 0 where that is not to be seen.
int64_t start_idle_us(struct start_watch *w, pid_t pid);

#endif
