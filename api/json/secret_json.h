// SPDX-License-Identifier: MIT
// secret_json.h — a hook's secret as JSON: read, judged, replaced.
//
// Pure, as pulumi_hook_json.h.

#ifndef API_JSON_SECRET_JSON_H
#define API_JSON_SECRET_JSON_H

#include "api/json/json_members.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/encoding/json.h"
#include "queue/queue.h"

#define SECRET_MAX_BYTES   1024
#define HOOK_REMOVE_SECRET "__remove-secret"

// `secret` of a create. ERR_INVALID: `reader->why`.
MUST_CHECK enum err secret_read_new(const struct hook_reader *reader,
                                    const struct json_value *body,
                                    struct hook *hook);

// `secret` of an update: absent or empty, it stays; HOOK_REMOVE_SECRET, there is
// none any more; else it is replaced, and the old one signs beside it for
// `reader->secret_overlap_ms`, as do those that were replaced before and are not
// over. `endSecretOverlap` true: from now on the secret signs alone. A secret that
// is there already is not judged. ERR_INVALID: `reader->why`. ERR_FULL: as many sign
// as may, `reader->why`.
MUST_CHECK enum err secret_merge(const struct hook_reader *reader,
                                 const struct json_value *body,
                                 struct hook *hook);

// Members hasSecret and secretCiphertext, each with a comma before it: the latter
// changes with the secret, and tells nobody what it is who does not have the key;
// secretOverlap, while replaced ones sign.
void secret_print(const struct hook_showing *to, const struct hook *hook,
                  struct buf *out);

#endif
