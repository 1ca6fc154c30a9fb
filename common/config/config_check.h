// SPDX-License-Identifier: MIT
// config_check.h — checks settings that are valid alone but contradict each other,
// and the contents of text settings.

#ifndef COMMON_CONFIG_CONFIG_CHECK_H
#define COMMON_CONFIG_CONFIG_CHECK_H

#include "common/base/buf.h"
#include "common/config/config.h"

// Adds one line to `faults` for each fault. Every value has the right type and is
// in its range already.
void config_check(const struct config *c, struct buf *faults);

#endif
