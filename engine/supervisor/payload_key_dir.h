// SPDX-License-Identifier: MIT
// payload_key_dir.h — the directory of the keys that payloads are sealed with, before any
// role starts.

#ifndef ENGINE_SUPERVISOR_PAYLOAD_KEY_DIR_H
#define ENGINE_SUPERVISOR_PAYLOAD_KEY_DIR_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/config/config.h"
#include "engine/supervisor/accounts.h"

// Checks that neither it nor the data directory lies in the other: copies of data must
// not contain keys. Makes nothing. ERR_INVALID: `faults` gets a line.
MUST_CHECK enum err payload_key_dir_check(const struct config *config,
                                          struct buf *faults);

// Makes it if it is missing, and gives it to the roles' user. Does nothing if the setting
// is empty. ERR_DENIED: `faults` gets a line.
MUST_CHECK enum err payload_key_dir_make(const struct config *config,
                                         const struct accounts *accounts,
                                         struct buf *faults);

#endif
