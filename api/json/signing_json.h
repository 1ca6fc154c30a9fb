// SPDX-License-Identifier: MIT
// signing_json.h — what signs a hook's requests as v1a, as JSON: read, checked, printed.
//
// No clock, no storage; a new key is random.

#ifndef API_JSON_SIGNING_JSON_H
#define API_JSON_SIGNING_JSON_H

#include "api/json/json_members.h"
#include "common/base/err.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "queue/queue.h"

// Reads `signingKey`. Absent: what there is stays. "none" or null: nothing signs as v1a,
// from now on. "own": the hook's own key, which is made if it has none. "new": another key
// of its own. A text that begins with whsk_: this key. "organization": its organization's
// keys. What signed before also signs for `validation->secret_overlap_ms`, and
// `endSecretOverlap` true ends that. ERR_INVALID, ERR_FULL: `validation->why` has the
// reason.
MUST_CHECK enum err signing_merge(const struct validation *validation,
                                  const struct json_value *body,
                                  struct hook *hook);

// Puts signingKey ("own" or "organization"; or, if `to` says so, the key itself) and
// publicKey, the public key of one's own, into the open object; signingKeyOverlap while
// replaced keys sign. Nothing if there is nothing of it.
void signing_print(const struct hook_showing *to, const struct hook *hook,
                   struct json_writer *w);

#endif
