// SPDX-License-Identifier: MIT
// hook_disable.h — hooks that a dispatcher wants switched off.

#ifndef API_HOOKS_HOOK_DISABLE_H
#define API_HOOKS_HOOK_DISABLE_H

#include "common/base/str.h"

struct api;

// Switches the hook of the frame off, if it is still as the dispatcher knows it.
void disabling_on_frame(struct api *api, struct str frame);

#endif
