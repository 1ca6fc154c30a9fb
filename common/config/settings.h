// SPDX-License-Identifier: MIT
// settings.h — every setting, in one table (settings.c).

#ifndef COMMON_CONFIG_SETTINGS_H
#define COMMON_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/config/config.h"

// Where values come from, the later wins: defaults, `file` (may be NULL),
// environment POSTHORN_NAME, `sets` ("name=value"). ERR_INVALID: `faults` gets
// one line for every wrong name and value, with what is allowed. The result is
// filled in any case; free it with config_clear().
struct config_sources {
    const char *file;
    int file_fd; // the file, open, for who may not open it; 0: none
    char *const *sets;
    size_t n_sets;
    bool no_environment; // --check judges the file alone
};
MUST_CHECK enum err config_load(const struct config_sources *sources,
                                struct config *out, struct buf *faults);
void config_clear(struct config *c);

// Is this the name of a setting in the environment, like POSTHORN_DATA_DIR?
bool config_is_variable(struct str name);

// Settings that need a restart: `fresh` gets what `old` has, and `old` what was read,
// so each has all it owns.
void config_keep_fixed(struct config *fresh, struct config *old);

// Every setting as a line "name = value  # origin; range; help".
void config_describe(const struct config_sources *sources, struct buf *out);

#endif
