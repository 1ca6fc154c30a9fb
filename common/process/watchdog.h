// SPDX-License-Identifier: MIT
// watchdog.h — ends a process whose loop does not turn while it uses the processor.
//
// It counts processor time, not the time that passes: a process that is stopped,
// waits for a disk, or gets no processor is left alone. A process that spins aborts
// by itself, so that the record it was working on is known, and the supervisor
// starts it again.

#ifndef COMMON_PROCESS_WATCHDOG_H
#define COMMON_PROCESS_WATCHDOG_H

// From now on, watchdog_turned() is to be called from the loop at least once in
// 30 s of processor time. After 30 to 60 s without it the process aborts.
void watchdog_start(void);
void watchdog_turned(void);

#endif
