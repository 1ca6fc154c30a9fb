// SPDX-License-Identifier: MIT
// payload_erasing.h — orders to erase payloads of events: when all who hold such payloads have
// worked one off, it is removed.

#ifndef API_TENANTS_PAYLOAD_ERASING_H
#define API_TENANTS_PAYLOAD_ERASING_H

#include "api/core/api_request.h"

// The stores are open.
void payload_erasing_init(struct api *api);
// To be called every second: removes orders that are done.
void payload_erasing_on_second(struct api *api);

#endif
