// SPDX-License-Identifier: MIT
// host.h — which names the API answers under.
//
// The name of a foreign web page can be made to resolve to this machine's loopback
// address (DNS rebinding). The browser then lets the page read answers as if it were
// ours, but the name in Host is still that of the page. IP addresses are not resolved,
// so they cannot be misused like this; neither can localhost and names below it (RFC
// 6761).

#ifndef API_CORE_HOST_H
#define API_CORE_HOST_H

#include <stdbool.h>

#include "common/base/str.h"
#include "common/config/config.h"

// Whether a request with this Host may be answered. `own_name` is the machine's host
// name. Pure.
bool host_is_ours(const struct config *config, struct str own_name,
                  struct str host);

// Whether a Host, or an address, can only mean the machine that the client runs on:
// localhost and names below it, 127.0.0.0/8, ::1 (with or without brackets). Pure.
bool host_is_loopback(struct str host);

// Whether a Host names the host of this URL, on any port. Pure.
bool host_is_of_url(const char *url, struct str host);

#endif
