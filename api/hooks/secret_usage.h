// SPDX-License-Identifier: MIT
// secret_usage.h — deliveries that receivers took since a secret was replaced.

#ifndef API_HOOKS_SECRET_USAGE_H
#define API_HOOKS_SECRET_USAGE_H

#include "api/core/api_request.h"

// Puts "sinceSecret", while replaced secrets of the hook sign, too: since when the present
// one signs, and how many deliveries receivers have taken since then.
void secret_usage_put(const struct api *api, const struct hook *hook,
                      struct json_writer *w);

#endif
