// SPDX-License-Identifier: MIT
// pulse.h — whether each role works, from the reports of its loop, its commits and
// the supervisor.
//
// The supervisor writes on the board, which roles cannot write, whether the role
// runs. The role writes in its page when its loop last turned, and since when one
// of its commits has been under way (metrics.h). Readers compare these times with
// the clock, so a role that is stopped need not report it. A time in the future
// counts as none.
//
// Times are of CLOCK_MONOTONIC, which all processes of a machine share.

#ifndef COMMON_PROCESS_PULSE_H
#define COMMON_PROCESS_PULSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/process/metrics.h"

#define PULSE_EVERY_MS    250
#define PULSE_LATE_US     INT64_C(5000000) // an older beat: it does not work
#define PULSE_STATUS_BASE 1000             // exit statuses lie above signals

enum pulse_state {
    PULSE_NONE, // there is no such role
    PULSE_STARTING,
    PULSE_READY,
    PULSE_DRAINING,   // the supervisor's only: the engine ends
    PULSE_ENDED,      // reason: the signal, or PULSE_STATUS_BASE + exit status
    PULSE_NOT_SPAWNED // reason: errno
};

// --- the role, of its own pulse ---

void pulse_beat(void); // call from the loop, every PULSE_EVERY_MS

// Call around work that waits for the disk, in any thread. `pulse_disk_end` takes
// what `pulse_disk_begin` returned.
int pulse_disk_begin(void);
void pulse_disk_end(int cell);

// --- the supervisor ---

// `reason` as the state defines it, or 0.
void pulse_set_state(size_t slot, enum pulse_state state, int reason);
// Call when a role was started anew: it has no beat, and no commit under way.
void pulse_reset(size_t slot);
// 0: the role has all of its links.
void pulse_set_link_errno(size_t slot, int error);

// --- everybody ---

// Whether the role of a slot works. If not, appends the reason to `why`, unless
// that is NULL: words for people, such as "has been stopped for 7 s".
bool pulse_works(size_t slot, struct buf *why);

// For how long the role's loop has not turned. 0: it has never turned.
int64_t pulse_silent_us(size_t slot);

bool pulse_has_turned(size_t slot);

// Appends why its loop does not turn, and for how long it has not.
void pulse_put_silence(size_t slot, struct buf *why);

enum pulse_state pulse_state_of(size_t slot);

#endif
