// SPDX-License-Identifier: MIT
// openapi.h — openapi.json, as built in (embed.cmake).

#ifndef API_SYSTEM_OPENAPI_H
#define API_SYSTEM_OPENAPI_H

#include <stddef.h>

extern const char openapi_json[];
extern const size_t openapi_json_bytes;

#endif
