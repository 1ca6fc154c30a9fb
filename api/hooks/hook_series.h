// SPDX-License-Identifier: MIT
// hook_series.h — the last hour of a hook, slot by slot, for rows of lists.

#ifndef API_HOOKS_HOOK_SERIES_H
#define API_HOOKS_HOOK_SERIES_H

#include <stdint.h>

#include "common/encoding/json_writer.h"

struct api;

// Puts the member `series`: how many attempts, and how many of them succeeded, in each slot
// of five minutes. null if the statistics cannot be read, which is logged.
void hook_series_put(const struct api *api, uint64_t hook_id,
                     struct json_writer *w);

#endif
