// SPDX-License-Identifier: MIT
// metrics_text.h — the metrics as Prometheus reads them.

#ifndef COMMON_PROCESS_METRICS_TEXT_H
#define COMMON_PROCESS_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

// Appends Prometheus text format 0.0.4: the cells of all slots, whatever the number of
// hooks. `works` says whether the role of a slot works (pulse_works()): readiness is
// determined at each request.
void metrics_render(struct buf *out,
                    bool (*works)(size_t slot, struct buf *why));

#endif
