// SPDX-License-Identifier: MIT
// dead_report.h — events about dead letters: one a minute for a hook.

#ifndef ENGINE_DISPATCHER_RECORD_DEAD_REPORT_H
#define ENGINE_DISPATCHER_RECORD_DEAD_REPORT_H

#include "engine/dispatcher/schedule/schedule.h"

// A delivery is dead: its hook's dead letters are reported, at once or later.
void dead_report_note(struct dispatcher *d, const struct slot *s,
                      const struct attempt *attempt);

// Takes over what an earlier process had counted; copies it.
void dead_report_load(struct hook_state *f, const struct unreported_dead *dead);
void dead_report_drop(
    struct hook_state *f);                  // nothing is reported; none is fine
void dead_report_all(struct dispatcher *d); // now: the process ends

#endif
