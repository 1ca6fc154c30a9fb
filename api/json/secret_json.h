// SPDX-License-Identifier: MIT
// secret_json.h — a hook's secret as JSON: read, checked, replaced.
//
// Pure: no clock, no randomness, no storage.

#ifndef API_JSON_SECRET_JSON_H
#define API_JSON_SECRET_JSON_H

#include "api/json/json_members.h"
#include "common/base/err.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "queue/queue.h"

#define SECRET_MAX_BYTES   1024
#define HOOK_REMOVE_SECRET "__remove-secret"

// Reads `secret` of a create. ERR_INVALID: `validation->why` has the reason.
MUST_CHECK enum err secret_read_new(const struct validation *validation,
                                    const struct json_value *body,
                                    struct hook *hook);

// Reads `secret` of an update. Absent or empty: the secret stays. HOOK_REMOVE_SECRET:
// it is removed. Any other text replaces it, and the old secret also signs for
// `validation->secret_overlap_ms`, together with secrets that were replaced earlier and
// whose overlap has not ended. `endSecretOverlap` true: from now on only the present
// secret and signing key sign. A text equal to the present secret is not checked. ERR_INVALID:
// `validation->why` has the reason. ERR_FULL: the maximum number of replaced secrets signs
// already; `validation->why` says so.
MUST_CHECK enum err secret_merge(const struct validation *validation,
                                 const struct json_value *body,
                                 struct hook *hook);

// Puts `replaced` (NULL: nothing), which signs for `validation->secret_overlap_ms`, before
// the hook's replaced secrets and signing keys; drops those whose time is over, and one
// that is the same as `now`, which signs from now on. `member`: for the reason. ERR_FULL:
// the maximum number of them signs already; `validation->why` says so.
MUST_CHECK enum err secret_replace(const struct validation *validation,
                                   const char *member,
                                   const struct old_secret *replaced,
                                   const struct old_secret *now,
                                   struct hook *hook);

// Drops the hook's replaced secrets, or its replaced signing keys.
void secret_drop_old(const struct validation *validation, bool are_keys,
                     struct hook *hook);

// Puts the members hasSecret and secretCiphertext into the open object, and
// secretOverlap while replaced secrets sign. secretCiphertext changes with the secret
// and reveals nothing of it without the key.
void secret_print(const struct hook_showing *to, const struct hook *hook,
                  struct json_writer *w);

#endif
