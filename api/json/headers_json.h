// SPDX-License-Identifier: MIT
// headers_json.h — a hook's own request headers as JSON: read, judged, masked.
//
// Members of both APIs: headers, an object of strings, and secretHeaders, the
// names of those whose values are masked although their names do not say so
// (common/model/request_header.h). Pure.

#ifndef API_JSON_HEADERS_JSON_H
#define API_JSON_HEADERS_JSON_H

#include "api/json/json_members.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/encoding/json.h"
#include "queue/queue.h"

// Absent: unchanged; secretHeaders null: none. A value that comes back as it was
// shown masked stays what it is. ERR_INVALID: `reader->why`.
MUST_CHECK enum err headers_merge(const struct hook_reader *reader,
                                  const struct json_value *body,
                                  struct hook *hook);

// Does the hook have a value that is masked?
bool headers_have_secrets(const struct hook *hook);

// The object; with `is_masked`, secret values as masks.
void headers_print(const struct hook *hook, bool is_masked, struct buf *out);

// Appends headers as a history has them, "Name: value\r\n" each, with the values
// masked that a name says are secret: those that an earlier version recorded whole.
void headers_mask_text(struct str text, struct buf *out);

// Member secretHeaders with a comma before it, if there is any.
void headers_print_marks(const struct hook *hook, struct buf *out);

#endif
