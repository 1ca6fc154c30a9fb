// SPDX-License-Identifier: MIT
// dead_report.h — events about dead letters: at most one a minute for each hook.

#ifndef ENGINE_DISPATCHER_RECORD_DEAD_REPORT_H
#define ENGINE_DISPATCHER_RECORD_DEAD_REPORT_H

#include "engine/dispatcher/loop/dispatcher.h"

// A delivery is dead: it is reported at once, or with others at the end of the minute.
void dead_report_note(struct dispatcher *d, const struct in_flight *s,
                      const struct attempt *attempt);

// Takes over what an earlier process had counted. Copies `dead`.
void dead_report_load(struct hook_state *f, const struct unreported_dead *dead);
void dead_report_drop(
    struct hook_state *f); // reports nothing; there may be none
void dead_report_all(struct dispatcher *d); // at once: the process ends

#endif
