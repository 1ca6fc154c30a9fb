// SPDX-License-Identifier: MIT
// handshake_json.h — whether a hook wants the handshake with its receiver, and how it went,
// as JSON: read, checked, printed. Pure.

#ifndef API_JSON_HANDSHAKE_JSON_H
#define API_JSON_HANDSHAKE_JSON_H

#include "api/json/json_members.h"
#include "common/base/err.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "common/model/hook.h"

// Reads `handshake`, and checks that the hook may have it. An absent member changes
// nothing; null means false. ERR_INVALID: `validation->why` has the reason.
MUST_CHECK enum err handshake_merge(const struct validation *validation,
                                    const struct json_value *body,
                                    struct hook *hook);

// Puts handshake, and, if `to` has an origin, handshakeState into the open object; nothing
// if the hook does not want it.
void handshake_print(const struct hook_showing *to, const struct hook *hook,
                     struct json_writer *w);

#endif
