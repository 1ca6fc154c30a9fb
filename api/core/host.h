// SPDX-License-Identifier: MIT
// host.h — which names the API answers under.
//
// A page of somebody else's can have its own name lead to this machine's loopback
// (DNS rebinding), and is then let in by the browser as if it were ours: but the
// name in Host is still the page's. An address is no name, so it cannot be led
// anywhere; neither can localhost and what is below it (RFC 6761).

#ifndef API_CORE_HOST_H
#define API_CORE_HOST_H

#include <stdbool.h>

#include "common/base/str.h"
#include "common/config/config.h"

// May a request with this Host be answered? `own_name` is the machine's. Pure.
bool host_is_ours(const struct config *config, struct str own_name,
                  struct str host);

#endif
