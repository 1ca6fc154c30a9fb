// SPDX-License-Identifier: MIT
// hook_disable.h — switches hooks off when a dispatcher asks for it.

#ifndef API_HOOKS_HOOK_DISABLE_H
#define API_HOOKS_HOOK_DISABLE_H

#include "common/base/str.h"

struct api;

// Switches off the hook that the frame names, if it still has the revision that the
// dispatcher knows.
void disabling_on_frame(struct api *api, struct str frame);

#endif
