// SPDX-License-Identifier: MIT
// clock.h — the clocks. Policy code takes the time as an argument instead.

#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stdint.h>

#include "common/base/buf.h"

// Wall clock, UTC, since the Unix epoch. May jump.
int64_t clock_now_us(void);
int64_t clock_now_ms(void);

// Never goes back; only differences mean something.
int64_t clock_mono_us(void);

// Like clock_mono_us(), and goes on while the machine sleeps: for what others believe of
// this machine, such as a lease.
int64_t clock_boot_us(void);

// Appends a time (UTC epoch) as RFC 3339 with milliseconds:
// 2026-11-21T10:15:30.500Z.
void clock_put_rfc3339(struct buf *out, int64_t at_ms);

#endif
