// SPDX-License-Identifier: MIT
// hook_reports.h — writes into hooks what dispatchers report of them.

#ifndef API_HOOKS_HOOK_REPORTS_H
#define API_HOOKS_HOOK_REPORTS_H

#include "common/base/str.h"

struct api;

// Switches off the hook that the frame names, or writes what its receiver answered to the
// handshake; if the hook still has the revision that the dispatcher knows, and, for an
// answer, the URL and the origin that it is about.
void hook_reports_on_frame(struct api *api, struct str frame);

#endif
