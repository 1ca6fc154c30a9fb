// SPDX-License-Identifier: MIT
// session_file.h — sessions on disk, so that people stay logged in through a restart.
//
// DATA_DIR/sessions (mode 0600) is one record with all sessions: of each the hash of its
// secret, the hash of its token, what it allows, and its times. It contains neither
// secrets nor tokens. Backups leave it out.

#ifndef API_DASHBOARD_SESSION_FILE_H
#define API_DASHBOARD_SESSION_FILE_H

#include <stdint.h>

#include "api/dashboard/login_table.h"
#include "common/base/err.h"

// Writes the file anew; removes it if the table is empty. ERR_IO: it cannot be written, the
// reason is logged. Then it is removed, too: it may have sessions that have ended since.
MUST_CHECK enum err session_file_write(const char *data_dir,
                                       const struct login_table *t);

// Adds the sessions of the file to a table that has room for them. Without a file there are
// none. A file that is not ours or is damaged is logged, and adds none.
void session_file_read(const char *data_dir, struct login_table *t);

#endif
