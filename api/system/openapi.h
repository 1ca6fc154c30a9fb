// SPDX-License-Identifier: MIT
// openapi.h — openapi.json, as built in (embed.cmake).

#ifndef API_SYSTEM_OPENAPI_H
#define API_SYSTEM_OPENAPI_H

#include "api/core/embedded.h"

extern const struct embedded_file openapi_files[]; // the document alone

#endif
