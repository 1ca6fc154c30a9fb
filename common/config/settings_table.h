// SPDX-License-Identifier: MIT
// settings_table.h — every setting, in one table.

#ifndef COMMON_CONFIG_SETTINGS_TABLE_H
#define COMMON_CONFIG_SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config/config_types.h"

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in reading order
struct setting {
    const char *name;
    enum config_type type;
    size_t offset;        // of its field in struct config
    const char *fallback; // the default, as text
    uint64_t min, max;    // for numbers
    bool reloadable;      // false: it keeps its value until a restart
    const char *help;     // a sentence that makes sense without any other
};

#define N_SETTINGS 97
extern const struct setting *const settings; // N_SETTINGS of them

#endif
