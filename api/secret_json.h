// secret_json.h — a hook's secret as JSON: read, judged, replaced.
//
// Pure, as hook_json.h.

#ifndef API_SECRET_JSON_H
#define API_SECRET_JSON_H

#include "api/body.h"
#include "common/err.h"
#include "common/json.h"
#include "queue/queue.h"

#define SECRET_MAX_BYTES   1024
#define HOOK_REMOVE_SECRET "__remove-secret"

// `secret` of a create. ERR_INVALID: `reader->why`.
MUST_CHECK enum err secret_read_new(const struct hook_reader *reader,
                                    const struct json_value *body,
                                    struct hook *hook);

// `secret` of an update: absent or empty, it stays; HOOK_REMOVE_SECRET, there is
// none any more; else it is replaced, and the old one signs beside it for
// `reader->secret_overlap_ms`. A secret that is there already is not judged.
// ERR_INVALID: `reader->why`.
MUST_CHECK enum err secret_merge(const struct hook_reader *reader,
                                 const struct json_value *body,
                                 struct hook *hook);

#endif
