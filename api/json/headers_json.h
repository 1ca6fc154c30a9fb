// SPDX-License-Identifier: MIT
// headers_json.h — a hook's own request headers as JSON: read, checked, masked.
//
// Both APIs have two members for them: `headers`, an object of strings, and
// `secretHeaders`, the names of headers whose values are masked although the names
// alone would not cause it (common/model/request_header.h). Pure.

#ifndef API_JSON_HEADERS_JSON_H
#define API_JSON_HEADERS_JSON_H

#include "api/json/json_members.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "queue/queue.h"

// Reads both members into the hook. An absent member changes nothing; `secretHeaders`
// null empties that list. A value that equals the mask of the present value leaves it
// unchanged. ERR_INVALID: `validation->why` has the reason.
MUST_CHECK enum err headers_merge(const struct validation *validation,
                                  const struct json_value *body,
                                  struct hook *hook);

// Whether the hook has a header value that is shown masked.
bool headers_have_secrets(const struct hook *hook);

// Puts the member headers; with `is_masked`, secret values as masks.
void headers_print(const struct hook *hook, bool is_masked,
                   struct json_writer *w);

// Appends headers as the history stores them, "Name: value\r\n" each, and masks the
// values whose names say that they are secret: an earlier version recorded them whole.
void headers_mask_text(struct str text, struct buf *out);

// Puts the member secretHeaders, if the hook has any.
void headers_print_marks(const struct hook *hook, struct json_writer *w);

#endif
