// SPDX-License-Identifier: MIT
// config_check.h — settings that are good alone, and wrong together or in what
// their text says.

#ifndef COMMON_CONFIG_CONFIG_CHECK_H
#define COMMON_CONFIG_CONFIG_CHECK_H

#include "common/base/buf.h"
#include "common/config/config.h"

// One line for each fault. Every value is of its type and in its range.
void config_check(const struct config *c, struct buf *faults);

#endif
