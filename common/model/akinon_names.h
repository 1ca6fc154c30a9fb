// SPDX-License-Identifier: MIT
// akinon_names.h — names of Akinon App Maker: paths, ids, events.
//
// Only one event id is published (deployment.build.created), but the published
// schema allows any text. So any id that has this form is accepted, also one of a
// single part.

#ifndef COMMON_MODEL_AKINON_NAMES_H
#define COMMON_MODEL_AKINON_NAMES_H

#include <stdbool.h>

#include "common/base/str.h"

#define AKINON_ID_BYTES 24

// Is this a path of Akinon's API, with or without its "/api/v1"? Removes that
// prefix from `path`.
bool akinon_take_path(struct str *path);

// 24 hexadecimal digits, in either case.
bool akinon_is_id(struct str id);

// Writes an id in lower case: "63EA…" is the same id as "63ea…".
void akinon_lower_id(struct str id, char out[AKINON_ID_BYTES]);

// ^[a-z0-9_-]+(\.[a-z0-9_-]+){0,4}$, at most 64 characters.
bool akinon_is_event(struct str event);

#endif
