// SPDX-License-Identifier: MIT
// settings.h — loads settings from their sources, describes and frees them.

#ifndef COMMON_CONFIG_SETTINGS_H
#define COMMON_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/config/config.h"

// Sources of values; later ones override earlier ones: defaults, `file` (may be
// NULL), environment POSTHORN_NAME, `sets` ("name=value"). ERR_INVALID: `faults`
// gets one line for every wrong name and value, with what is allowed. The result is
// filled in any case; free it with config_clear().
struct config_sources {
    const char *file;
    int file_fd; // the file, open: a sender may not open it; 0: none
    char *const *sets;
    size_t n_sets;
    bool no_environment; // --check checks the file alone
};
MUST_CHECK enum err config_load(const struct config_sources *sources,
                                struct config *out, struct buf *faults);
void config_clear(struct config *c);

// Is `name` an environment variable for a setting, like POSTHORN_DATA_DIR?
bool config_is_variable(struct str name);

// Keeps settings that need a restart: swaps them, so that `fresh` has the values of
// `old`, and `old` has those just read. Each then owns all of its values.
void config_keep_fixed(struct config *fresh, struct config *old);

// After config_keep_fixed(): notes in `kept` which of its settings had another value in
// `read`, where those just read are now, and waits for a restart.
void config_note_pending(struct config *kept, const struct config *read);

// Appends a line "name = value  # origin; range; help" for every setting.
void config_describe(const struct config_sources *sources, struct buf *out);

#endif
