// SPDX-License-Identifier: MIT
// payload_erasure.h — `posthorn events erase-payload`: erases the payload of one event.

#ifndef API_CLI_TENANTS_PAYLOAD_ERASURE_H
#define API_CLI_TENANTS_PAYLOAD_ERASURE_H

#include "api/cli/core/options.h"

// Asks, erases, and waits until nothing of it is left. Returns the exit status.
int cli_erase_payload(const struct args *args, const char *event);

#endif
