// SPDX-License-Identifier: MIT
// preflight.h — what must hold before any role starts.

#ifndef ENGINE_SUPERVISOR_PREFLIGHT_H
#define ENGINE_SUPERVISOR_PREFLIGHT_H

#include "common/base/err.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "engine/supervisor/accounts.h"
#include "engine/supervisor/certificates.h"

struct preflight {
    struct accounts accounts;
    // Descriptors, which stay open until the process ends.
    int api_fd;
    int ingest_fd;
    int lock_fd; // of the data directory, locked against a second engine
    struct listener_tls api_tls, ingest_tls;
};

// Checks the settings, binds both listening sockets, makes the data directory (mode
// 0700) if it does not exist, locks it, and chooses the roles' users, to whom it is
// handed over. On any error all faults have been printed on stderr, a line each.
// ERR_INVALID: settings. ERR_BUSY: a port or the directory is in use. ERR_DENIED: the
// directory cannot be made or opened. ERR_IO: no socket.
MUST_CHECK enum err preflight_prepare(const struct config_sources *sources,
                                      struct config *config,
                                      struct preflight *out);

// Gives what root owns in the data directory to the roles' user once more; logs a
// failure.
void preflight_hand_over(const struct config *config,
                         const struct preflight *s);

#endif
